"""The migration commands over every line."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import msgspec

from outpost.domain.errors import ConfigurationError
from outpost.migrations.errors import DecisionNeeded, MigrationError, Refused
from outpost.migrations.lease import Timings, Waiting
from outpost.migrations.line import Line, VerifyRequest
from outpost.migrations.owner import this_process
from outpost.migrations.report import (
    Applied,
    Check,
    CleanupItem,
    Diagnosis,
    Holder,
    LineFailure,
    Listing,
    MigrationState,
    Plan,
    PlannedStep,
    Quarantined,
    RunRecord,
    Status,
    Verification,
)
from outpost.migrations.run import Observer, Run
from outpost.migrations.runner import Runner, RunRequest, leases_of, names, record_of
from outpost.migrations.steering import Steering, SteeringChange, combined

_T = TypeVar("_T")


class ApplyRequest(RunRequest, frozen=True, kw_only=True):
    """What to apply, and how.

    Attributes:
        until: Stop after the migration of this id or name, in the order of `states`; None applies all.
    """

    until: str | None = None


class Coordinator:
    """Runs each command over the lines it was given: SQL stores first, then Redis. Use `async with` to close them."""

    def __init__(
        self,
        lines: Sequence[Line],
        *,
        observe: Observer | None = None,
        waiting: Waiting | None = None,
        timings: Timings | None = None,
    ) -> None:
        self.lines = lines
        self._runner = Runner(lines, observe=observe, waiting=waiting, timings=timings or Timings())

    async def __aenter__(self) -> "Coordinator":
        return self

    async def __aexit__(self, *_: object) -> None:
        for line in reversed(self.lines):
            await line.close()

    async def states(self) -> Sequence[MigrationState]:
        """Return every migration of every line; cheap, without a lock, and the check that a server starts with."""
        return [state for line in self.lines for state in await line.states()]

    async def listing(self) -> Listing:
        """Return the migrations of every line that answers."""
        answers, failures = await self._asked(lambda line: line.states())
        return Listing(migrations=[state for states in answers for state in states], failures=failures)

    async def pending(self, *, until: str | None = None) -> Sequence[MigrationState]:
        """Return what `apply` would do.

        Args:
            until: See `ApplyRequest`.

        Raises:
            ConfigurationError: There is no such migration, or more than one.
        """
        states = await self.states()
        if until is not None:
            states = states[: 1 + _place(states, until)]
        return [state for state in states if not state.satisfied]

    async def plan(self, *, quick: bool = False, until: str | None = None) -> Plan:
        states = {state.id: state for state in await self.pending(until=until)}
        steps = [step for line in self.lines for step in await line.plan(quick=quick)]
        return Plan(steps=[_with_state(step, states[step.id]) for step in steps if step.id in states])

    async def status(self) -> Status:
        """Return the state of every line that answers."""
        lines, failures = await self._asked(lambda line: line.status())
        return Status(lines=lines, failures=failures)

    async def verify(self, request: VerifyRequest) -> Verification:
        return Verification(
            checks=[check for line in self.lines for check in await line.verify(request)], full=request.full
        )

    async def doctor(self) -> Diagnosis:
        """Return what every line that answers finds, and that the others do not."""
        answers, failures = await self._asked(lambda line: line.preflight())
        silent = [
            Check(name=f"{each.line}: can be read", compared=1, different=1, differences=[each.message])
            for each in failures
        ]
        return Diagnosis(checks=[*(check for checks in answers for check in checks), *silent], failures=failures)

    async def history(self) -> Sequence[RunRecord]:
        return sorted([run for line in self.lines for run in await line.history()], key=lambda run: run.started_at)

    async def cleanup_plan(self) -> Sequence[CleanupItem]:
        return [item for line in self.lines for item in await line.cleanup_plan()]

    async def apply(self, request: ApplyRequest) -> Applied:
        """Apply everything pending, under one lease in every store.

        Raises:
            MigrationError: One of its kinds, by exit code; what was done is kept.
        """
        wanted = await self.pending(until=request.until)
        if not wanted:
            return Applied(steps=[])
        last = wanted[-1].id if request.until is not None else None
        done: list[MigrationState] = []
        async with self.running("apply", request, done) as run:
            for line in self.lines:
                ends_here = last is not None and last.startswith(f"{line.name}/")
                done += await line.apply(run, until=last if ends_here else None)
                if ends_here:
                    break
        return Applied(steps=done)

    async def cleanup(self, request: RunRequest, *, force: bool) -> Sequence[CleanupItem]:
        """Remove what `apply` preserved.

        Raises:
            Refused: It may still be needed.
        """
        removed: list[CleanupItem] = []
        async with self.running("cleanup", request, noted=["forced"] if force else []) as run:
            for line in self.lines:
                try:
                    removed += await line.cleanup(run, force=force)
                except MigrationError as error:
                    before = f"; removed before that: {_told(removed)}" if removed else ""
                    raise type(error)(f"{line.name}: {error}{before}") from error
        return removed

    async def quarantined(self) -> Sequence[Quarantined]:
        return [record for line in self.lines if line.quarantine for record in await line.quarantine.records()]

    async def show_quarantined(self, key: str) -> Sequence[str]:
        await self._quarantined([key])
        return [text for line in self.lines if line.quarantine for text in await line.quarantine.show(key)]

    async def retry_quarantined(self, request: RunRequest, keys: Sequence[str]) -> int:
        """Take quarantined records (all if `keys` is empty) back into the work of the next `apply`."""
        if not await self._quarantined(keys):
            return 0
        async with self.running("quarantine retry", request, noted=[_named_keys(keys)]) as run:
            return sum([await line.quarantine.retry(run, keys) for line in self.lines if line.quarantine])

    async def accept_quarantined(self, request: RunRequest, keys: Sequence[str], reason: str) -> int:
        """Let quarantined records (all if `keys` is empty) stay as they are for good.

        Raises:
            DecisionNeeded: Some are not what they were when they were left aside, and stay in quarantine.
        """
        chosen = await self._quarantined(keys)
        if not chosen:
            return 0
        async with self.running("quarantine accept", request, noted=[_named_keys(keys), f"reason: {reason}"]) as run:
            count = sum([await line.quarantine.accept(run, keys, reason) for line in self.lines if line.quarantine])
            if changed := len(chosen) - count:
                raise DecisionNeeded(
                    f"{count} accepted; {changed} not, having changed since they were left aside. Look again (outpost "
                    "migrate quarantine show), or take them back (outpost migrate quarantine retry)"
                )
        return count

    async def _quarantined(self, keys: Sequence[str]) -> Sequence[Quarantined]:
        """Return the quarantined records under `keys`, or all if that is empty.

        Raises:
            ConfigurationError: There is nothing under one of them.
        """
        records = await self.quarantined()
        unknown = [key for key in keys if key not in {record.key for record in records}]
        if unknown:
            raise ConfigurationError(
                f"not in quarantine: {', '.join(unknown)}; run: outpost migrate quarantine list, which shows what is"
            )
        return [record for record in records if not keys or record.key in keys]

    async def holders(self, *, store: str | None = None) -> Sequence[Holder]:
        """Return who holds the lock in every store (or the one named)."""
        asked = [await line.lease.holder() for line in self._named(store) if line.lease is not None]
        return [holder for holder in asked if holder is not None]

    async def unlock(self, *, store: str | None = None) -> Sequence[Holder]:
        """Revoke the lock in every store (or the one named) and return who held it."""
        owner = this_process()
        evicted: list[Holder] = []
        for line in self._named(store):
            if line.lease is None:
                continue
            holder = await line.lease.revoke()
            if holder is not None:
                evicted.append(holder)
                detail = f"evicted {holder.host or 'another program'} {holder.run}".strip()
                fence = holder.fence or await line.lease.fence()  # of another program, which has none
                await line.record(record_of(line, owner, "unlock", "ok", fence=fence, detail=detail))
        return evicted

    async def steer(self, change: SteeringChange) -> Steering | None:
        """Change what is asked of the run that works now; return all that is asked of it, or None if there is none.

        Raises:
            Refused: No store can hold word for a run.
        """
        leases = leases_of(self.lines)
        if not leases:
            raise Refused(
                f"{names(self.lines)} cannot hold a lock, nor word for the run that works; end it with Ctrl-C or "
                "SIGTERM, and start it again with another --max-latency"
            )
        answers = [await lease.steer(change) for lease in leases]
        heard = [answer for answer in answers if answer is not None]
        return combined(heard) if heard else None

    def running(
        self,
        command: str,
        request: RunRequest,
        done: Sequence[MigrationState] = (),
        *,
        noted: Sequence[str] = (),
    ) -> AbstractAsyncContextManager[Run]:
        """See `Runner.running`."""
        return self._runner.running(command, request, done, noted=noted)

    async def _asked(self, ask: Callable[[Line], Awaitable[_T]]) -> tuple[list[_T], list[LineFailure]]:
        """Return what the lines answer; that one cannot does not hide what the others say."""
        answers: list[_T] = []
        failures: list[LineFailure] = []
        for line in self.lines:
            try:
                answers.append(await ask(line))
            except MigrationError as error:
                failures.append(
                    LineFailure(
                        line=line.name,
                        target=line.target,
                        code=error.code,
                        message=str(error),
                        exit_code=error.exit_code,
                    )
                )
        return answers, failures

    def _named(self, store: str | None) -> Sequence[Line]:
        if store is None:
            return self.lines
        found = [line for line in self.lines if line.name == store]
        if not found:
            raise ConfigurationError(f"there is no store {store!r} here; configured: {names(self.lines)}")
        return found


def refusal(pending: Sequence[MigrationState]) -> str:
    """Return the sentence with which a server refuses to start."""
    count = "1 migration" if len(pending) == 1 else f"{len(pending)} migrations"
    names = "; ".join(f"{state.id} {state.detail}".strip() for state in pending)
    return f"{count} pending ({names}). Run: outpost migrate apply"


def _place(states: Sequence[MigrationState], name: str) -> int:
    """Return where the migration of this id or name is: `redis/001_hash_tags`, `001_hash_tags` or `hash_tags`."""
    places = [place for place, state in enumerate(states) if name and name in _names_of(state.id)]
    if len(places) > 1:
        raise ConfigurationError(f"{name!r} may be any of {', '.join(states[place].id for place in places)}; say which")
    if not places:
        raise ConfigurationError(f"there is no migration {name!r} here; run: outpost migrate list, which shows them")
    return places[0]


def _names_of(id_: str) -> Sequence[str]:
    name = id_.partition("/")[2]
    return (id_, name, name.partition("_")[2])


def _with_state(step: PlannedStep, state: MigrationState) -> PlannedStep:
    """Return the step with a note of what has become of it so far, if it was begun."""
    if state.state == "pending":
        return step
    return msgspec.structs.replace(step, notes=[f"{state.state}: {state.detail}".rstrip(": "), *step.notes])


def _told(items: Sequence[CleanupItem]) -> str:
    return ", ".join(f"{item.store} {item.what}" for item in items)


def _named_keys(keys: Sequence[str]) -> str:
    return ", ".join(keys) or "all of them"
