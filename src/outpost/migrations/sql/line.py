"""A line of SQL scripts on one database: what is pending, what was edited, what comes next."""

from collections.abc import Mapping, Sequence

from outpost.migrations.errors import DataIsNewer, DecisionNeeded
from outpost.migrations.lease import LeaseStore
from outpost.migrations.line import VerifyRequest
from outpost.migrations.report import (
    Check,
    CleanupItem,
    Family,
    LineStatus,
    MigrationState,
    PlannedStep,
    RunRecord,
    State,
)
from outpost.migrations.run import Run
from outpost.migrations.sql.dialect import Dialect, Recorded
from outpost.migrations.sql.script import Script


class SqlLine:
    """Scripts in order, on the database of a dialect. A `Line`."""

    family: Family = "sql"

    def __init__(self, dialect: Dialect, scripts: Sequence[Script]) -> None:
        self._dialect = dialect
        self._scripts = scripts

    @property
    def name(self) -> str:
        return self._dialect.name

    @property
    def target(self) -> str:
        return self._dialect.target

    @property
    def lease(self) -> LeaseStore | None:
        return self._dialect.lease

    @property
    def quarantine(self) -> None:
        return None

    async def states(self) -> Sequence[MigrationState]:
        recorded = {each.number: each for each in await self._dialect.recorded()}
        self._check(recorded)
        return [self._state(script, recorded.get(script.number)) for script in self._scripts]

    async def status(self) -> LineStatus:
        lease = self.lease
        kept, runs = await self._dialect.preserved(), await self._dialect.runs()
        return LineStatus(
            line=self.name,
            family=self.family,
            target=self.target,
            migrations=await self.states(),
            holder=await lease.holder() if lease is not None else None,
            preserved=", ".join(f"{item.what} ({item.count})" for item in kept),
            last_run=runs[-1] if runs else None,
        )

    async def plan(self, *, quick: bool) -> Sequence[PlannedStep]:
        return [
            PlannedStep(
                id=self._id(script),
                description=script.description,
                statements=[statement.text for statement in script.statements],
                destructive=script.destructive(),
                notes=() if quick else await self._dialect.notes(script),
            )
            for script in await self._pending()
        ]

    async def preflight(self) -> Sequence[Check]:
        return await self._dialect.preflight(await self._pending())

    async def apply(self, run: Run, *, until: str | None) -> Sequence[MigrationState]:
        await self._dialect.prepare(run)
        applied: list[str] = []
        for script in self._up_to(until, await self._pending()):
            await run.ready()
            with run.step(self.name, script.id, number=script.number, of=len(self._scripts)):
                await self._dialect.execute(script, run)
            applied.append(self._id(script))
        return [state for state in await self.states() if state.id in applied]

    async def verify(self, request: VerifyRequest) -> Sequence[Check]:
        states = await self.states()
        done = [script for script, state in zip(self._scripts, states, strict=True) if state.satisfied]
        missing = [state for state in states if not state.satisfied]
        version = Check(
            name=f"{self.name}: migrations applied",
            compared=len(self._scripts),
            population=len(self._scripts),
            different=len(missing),
            differences=[f"{state.id} is {state.state}" for state in missing],
            repair="outpost migrate apply" if missing else "",
        )
        return [version, *await self._dialect.verify(done, request)]

    async def cleanup_plan(self) -> Sequence[CleanupItem]:
        return await self._dialect.preserved()

    async def cleanup(self, run: Run, *, force: bool) -> Sequence[CleanupItem]:
        return await self._dialect.remove_preserved(run, force=force)

    async def history(self) -> Sequence[RunRecord]:
        return await self._dialect.runs()

    async def record(self, run: RunRecord) -> None:
        await self._dialect.record_run(run)

    async def close(self) -> None:
        await self._dialect.close()

    async def _pending(self) -> list[Script]:
        return [script for script, state in zip(self._scripts, await self.states(), strict=True) if not state.satisfied]

    def _up_to(self, until: str | None, scripts: Sequence[Script]) -> Sequence[Script]:
        last = [each.number for each in self._scripts if until in (each.id, self._id(each), each.name)]
        return [each for each in scripts if not last or each.number <= last[0]]

    def _check(self, recorded: Mapping[int, Recorded]) -> None:
        newest = len(self._scripts)
        newer = sorted(number for number in recorded if number > newest)
        if newer:
            raise DataIsNewer(
                f"{self.target} was migrated to {self.name}/{newer[-1]:06d} by a newer Outpost, and this one knows "
                f"{newest:06d} as the last; nothing was touched. Run the newer version"
            )
        for script in self._scripts:
            found = recorded.get(script.number)
            if found is not None and found.checksum and found.checksum != script.checksum:
                raise DecisionNeeded(
                    f"{self._id(script)} was applied to {self.target} from another text than this program carries "
                    f"(recorded {found.checksum[:12]}, here {script.checksum[:12]}{_first_edited(script, found)}); "
                    "install the version that applied it, or restore the file"
                )

    def _state(self, script: Script, found: Recorded | None) -> MigrationState:
        return MigrationState(
            id=self._id(script),
            state=_word(found),
            description=script.description,
            applied_at=found.applied_at if found else None,
            duration_ms=found.duration_ms if found else None,
            host=found.host if found else "",
            version=found.version if found else "",
            detail=found.detail if found else "",
            online=script.online,
        )

    def _id(self, script: Script) -> str:
        return f"{self.name}/{script.id}"


def _first_edited(script: Script, found: Recorded) -> str:
    """Return which statement is another than the one that was run, in words; empty if nobody noted them."""
    for statement, digest in zip(script.statements, found.digests, strict=False):
        if statement.digest != digest:
            return f"; first in line {statement.line}: {statement.sent[:60]}"
    noted, here = len(found.digests), len(script.statements)
    return f"; it had {noted} statements, and has {here} here" if found.finished and noted not in (0, here) else ""


def _word(found: Recorded | None) -> State:
    if found is None:
        return "pending"
    if found.in_doubt:
        return "in_doubt"
    if found.dirty:
        return "dirty"
    return "applied" if found.finished else "incomplete"
