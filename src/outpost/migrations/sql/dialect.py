"""What one SQL database must be able to do so that a line of scripts can run on it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from outpost.migrations.lease import LeaseStore
from outpost.migrations.line import VerifyRequest
from outpost.migrations.report import Check, CleanupItem, RunRecord
from outpost.migrations.run import Run
from outpost.migrations.sql.script import Script


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What the database says about one migration.

    Attributes:
        checksum: Of the script as it was applied; empty when the original tool applied it.
        digests: Of its statements as they were run; fewer if a run ended in the middle, none if nobody noted them.
        finished: All of it is done; otherwise a run ended in the middle, and `detail` says where.
        in_doubt: A statement that cannot be repeated may or may not have happened.
        dirty: The original tool failed in it.
    """

    number: int
    name: str = ""
    checksum: str = ""
    digests: Sequence[str] = ()
    finished: bool = True
    in_doubt: bool = False
    dirty: bool = False
    detail: str = ""
    applied_at: datetime | None = None
    duration_ms: int | None = None
    host: str = ""
    version: str = ""


class Dialect(Protocol):
    """One database, and how its scripts are run and remembered.

    Reading methods create nothing. All raise Unreachable when the database cannot be used, and Refused when it is not
    ours.
    """

    @property
    def name(self) -> str:
        """`sqlite`, `postgres`, `clickhouse`."""
        ...

    @property
    def target(self) -> str:
        """Which database, for people; without secrets."""
        ...

    @property
    def lease(self) -> LeaseStore | None: ...

    async def recorded(self) -> Sequence[Recorded]:
        """Return what was begun or applied, by number; empty when the database does not exist yet."""
        ...

    async def prepare(self, run: Run) -> None:
        """Create the database if it is a file, and the tool's own tables, if they are missing."""
        ...

    async def execute(self, script: Script, run: Run) -> None:
        """Run a script from where an earlier run stopped, and record it as applied.

        Raises:
            MigrationError: A statement failed; names file, line and statement, what was kept and what to do next.
        """
        ...

    async def notes(self, script: Script) -> Sequence[str]:
        """Return table sizes, locks and times to expect of a script."""
        ...

    async def preflight(self, pending: Sequence[Script]) -> Sequence[Check]: ...

    async def verify(self, scripts: Sequence[Script], request: VerifyRequest) -> Sequence[Check]:
        """Compare schema and data with what the applied scripts make."""
        ...

    async def preserved(self) -> Sequence[CleanupItem]: ...

    async def remove_preserved(self, run: Run, *, force: bool) -> Sequence[CleanupItem]: ...

    async def runs(self) -> Sequence[RunRecord]: ...

    async def record_run(self, run: RunRecord) -> None: ...

    async def close(self) -> None: ...
