"""A run that changes stores: alone, under the lock of each, told as events, and kept in the history of each."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec

from outpost.migrations.errors import MigrationError, Refused
from outpost.migrations.lease import LeaseStore, Timings, Waiting, acquired, describe
from outpost.migrations.line import Line
from outpost.migrations.owner import Owner, this_process
from outpost.migrations.report import Holder, MigrationState, RunRecord
from outpost.migrations.run import Event, Limits, Observer, Run


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """How to run.

    Attributes:
        lock_seconds: How long to wait for a living holder of the lock; None as long as it lives, 0 not at all.
        single_runner: A person promises that nobody else runs; needed where no store can hold a lock.
    """

    lock_seconds: float | None = None
    single_runner: bool = False
    limits: Limits = Limits()


class Runner:
    """Begins and ends the runs over some lines."""

    def __init__(
        self, lines: Sequence[Line], *, observe: Observer | None, waiting: Waiting | None, timings: Timings
    ) -> None:
        self._lines = lines
        self._observe = observe or _ignore_event
        self._waiting = waiting or _ignore_holder
        self._timings = timings

    @asynccontextmanager
    async def running(
        self,
        command: str,
        request: RunRequest,
        done: Sequence[MigrationState] = (),
        *,
        noted: Sequence[str] = (),
    ) -> AsyncGenerator[Run]:
        """Hold the lease of every store and yield the run that works under them.

        Args:
            command: What the history and the events call it.
            done: What the run has applied so far, for the message of a failure.
            noted: What the history says of it: what a person decided, on what, and why.

        Raises:
            Refused: No store can hold a lease.
        """
        leases = leases_of(self._lines)
        if not leases and not request.single_runner:
            raise Refused(
                f"{names(self._lines)} cannot hold a lock, so nothing keeps a second run away; add --single-runner if "
                "you are certain that there is none"
            )
        owner = this_process()
        waiting = _told_once(self._observe, owner, self._waiting)
        async with acquired(
            leases, owner, lock_seconds=request.lock_seconds, waiting=waiting, timings=self._timings
        ) as held:
            run = Run(owner=owner, leases=held, limits=request.limits, observe=self._observe)
            run.tell("lock_acquired", stores=[lease.store for lease in leases])
            run.tell("run_started", command=command)
            started = time.monotonic()
            try:
                yield run
            except BaseException as error:
                failed = isinstance(error, MigrationError)
                run.tell("run_failed" if failed else "run_interrupted", error=str(error))
                said = "; ".join(text for text in (*noted, str(error)) if text)
                await self._record(run, command, "failed" if failed else "interrupted", started, done, said)
                raise
            run.tell("run_finished", applied=[state.id for state in done])
            await self._record(run, command, "ok", started, done, "; ".join(noted))

    async def _record(
        self, run: Run, command: str, outcome: str, started: float, done: Sequence[MigrationState], detail: str
    ) -> None:
        """Write the history; a store that is away keeps its gap, because the run's own end matters more."""
        duration = int((time.monotonic() - started) * 1000)
        for line in self._lines:
            applied = [state.id for state in done if state.id.startswith(f"{line.name}/")]
            record = record_of(line, run.owner, command, outcome, fence=run.fence, detail=detail)
            try:
                await line.record(msgspec.structs.replace(record, duration_ms=duration, migrations=applied))
            except MigrationError as error:
                run.tell("history_not_written", store=line.name, error=str(error))


def leases_of(lines: Sequence[Line]) -> list[LeaseStore]:
    return [line.lease for line in lines if line.lease is not None]


def names(lines: Sequence[Line]) -> str:
    return ", ".join(line.name for line in lines)


def record_of(line: Line, owner: Owner, command: str, outcome: str, *, fence: int, detail: str) -> RunRecord:
    """Return the entry of one store's history."""
    return RunRecord(
        store=line.name,
        run=owner.run,
        command=command,
        outcome=outcome,
        started_at=owner.started_at if command != "unlock" else datetime.now(UTC),
        host=owner.host,
        user=owner.user,
        version=owner.version,
        fence=fence,
        detail=detail,
    )


def _told_once(observe: Observer, owner: Owner, waiting: Waiting) -> Waiting:
    """Return `waiting`, with an event when a run begins to wait for a holder."""
    told: set[str] = set()

    def wait(holder: Holder) -> None:
        waiting(holder)
        if holder.run not in told:
            told.add(holder.run)
            fields = {"holder": describe(holder), "holder_run": holder.run}
            observe(
                Event(
                    event="lock_waiting",
                    at=datetime.now(UTC),
                    run=owner.run,
                    fence=0,  # given when the lock is
                    store=holder.store,
                    fields=fields,
                )
            )

    return wait


def _ignore_event(_: Event) -> None: ...


def _ignore_holder(_: Holder) -> None: ...
