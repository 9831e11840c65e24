"""What the exit status of every command means; the one table of it."""

from typing import Final

DONE: Final = 0
FAILED: Final = 1
PENDING: Final = 2
SERVE_REFUSED: Final = 10
LOCKED: Final = 11
LEASE_LOST: Final = 12
INCOMPLETE: Final = 13
DECISION_NEEDED: Final = 14
DIFFERENT: Final = 15
PREFLIGHT_REFUSED: Final = 16
UNREACHABLE: Final = 17
DATA_IS_NEWER: Final = 18
CANCELLED: Final = 19
USAGE: Final = 64
OUTPUT_LOST: Final = 74
HUNG_UP: Final = 129
INTERRUPTED: Final = 130
TERMINATED: Final = 143

MEANINGS: Final[dict[int, str]] = {
    DONE: "done, or nothing to do",
    FAILED: "unclassified failure",
    PENDING: "`plan --detailed-exitcode`, `status --exit-code`: migrations are pending",
    SERVE_REFUSED: "`serve`: migrations are pending",
    LOCKED: "the lock is held by someone else, gave up waiting",
    LEASE_LOST: "the lease was lost or revoked; stopped",
    INCOMPLETE: "failed; what was done is kept, run it again",
    DECISION_NEEDED: "needs a decision: quarantined records, an edited file, a statement in doubt",
    DIFFERENT: "verification found differences",
    PREFLIGHT_REFUSED: "refused before starting: permission, memory, disk, read-only, wrong secret, policy",
    UNREACHABLE: "a store cannot be reached or is too slow",
    DATA_IS_NEWER: "the data is newer than this program",
    CANCELLED: "cancelled, or no terminal to ask at",
    USAGE: "wrong usage or configuration",
    OUTPUT_LOST: "what the command has to say could not be written; what it had to do is done",
    HUNG_UP: "the terminal went away; ended after a checkpoint",
    INTERRUPTED: "interrupted, after a checkpoint",
    TERMINATED: "terminated, after a checkpoint",
}
