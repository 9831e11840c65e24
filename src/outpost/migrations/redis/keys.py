"""Names of the keys that the migration tool itself keeps in Redis.

All start with the prefix of the deployment: `dp_001:`, or nothing without a deployment id.

    .outpost:migration_lock            string   the lock, which the original program takes too
    .outpost:migration_lock:owner      hash     who holds it, when the holder is one of ours
    outpost:migration_fence            counter  never expires and is never deleted
    outpost:migration:<name>           hash     state of one migration; the original program reads `status`
    outpost:migrate:store              hash     facts about all data: `min_reader`, the last full verification, cleanup
    outpost:migrate:checkpoint         hash     how far the present work has come, by node
    outpost:migrate:quarantine         hash     records that could not be understood
    outpost:migrate:history            stream   runs and decisions
    outpost:migrate:presence           hash     servers that are alive, and the format they need
    outpost:migrate:steering           string   what a person asks of the holder of the lock
    outpost:migrate:probe              never written: what permissions are asked about
    outpost:migrate:copy:<fence>:<new key>
                                       hash     a large record on its way to its new key, in the same slot
"""

import msgspec


def key_prefix(deployment_id: str) -> str:
    """Return what the keys of a deployment start with."""
    return f"{deployment_id}:" if deployment_id else ""


class ToolKeys(msgspec.Struct, frozen=True):
    """The tool's keys of one deployment; `prefix` as of `key_prefix`."""

    prefix: str = ""

    @property
    def lock(self) -> str:
        return f"{self.prefix}.outpost:migration_lock"

    @property
    def lock_owner(self) -> str:
        return f"{self.lock}:owner"

    @property
    def fence(self) -> str:
        return f"{self.prefix}outpost:migration_fence"

    def state(self, migration: str) -> str:
        """Args:
        migration: Its name, `001_hash_tags`.
        """
        return f"{self.prefix}outpost:migration:{migration}"

    @property
    def past_runs(self) -> str:
        """Pattern of what releases 0.12 to 0.16 wrote about their runs: `outpost:migration:<name>:run:<seconds>`."""
        return f"{self.prefix}outpost:migration:*:run:*"

    @property
    def store(self) -> str:
        return f"{self.prefix}outpost:migrate:store"

    @property
    def checkpoint(self) -> str:
        return f"{self.prefix}outpost:migrate:checkpoint"

    @property
    def quarantine(self) -> str:
        return f"{self.prefix}outpost:migrate:quarantine"

    @property
    def history(self) -> str:
        return f"{self.prefix}outpost:migrate:history"

    @property
    def presence(self) -> str:
        return f"{self.prefix}outpost:migrate:presence"

    @property
    def steering(self) -> str:
        return f"{self.prefix}outpost:migrate:steering"

    @property
    def probe(self) -> str:
        return f"{self.prefix}outpost:migrate:probe"

    def copy(self, new_key: bytes, fence: int) -> bytes:
        """Args:
        fence: Of the run that copies, so that no two runs write into one copy.
        """
        # The first braces of a key say which slot it is in, and these are those of `new_key`.
        return f"{self.prefix}outpost:migrate:copy:{fence}:".encode() + new_key
