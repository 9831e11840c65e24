"""One execution of a command that changes stores: who it is, what it may do, what it tells."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec

from outpost.migrations.lease import HeldLeases
from outpost.migrations.owner import Owner
from outpost.migrations.report import Progress


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a run may ask of the stores.

    Attributes:
        max_latency_ms: The store's time for one batch, above which batches shrink; None is what is usual for the store.
        max_replica_lag_seconds: Above it the run pauses.
        max_memory_share: Of the store's memory limit; above it the run pauses.
        batch: Records in one batch; None adapts it to the latency.
        fuse: Do migrations of the same records in one pass.
        allow_blocking: Permit statements that lock a large table for long.
        quarantine_limit: Records that may be left aside before a run stops early.
    """

    max_latency_ms: float | None = None
    max_replica_lag_seconds: float = 2.0
    max_memory_share: float = 0.85
    batch: int | None = None
    fuse: bool = True
    allow_blocking: bool = False
    quarantine_limit: int = 1_000


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a run tells about itself, one line of `--events`."""

    event: str
    at: datetime
    run: str
    fence: int
    store: str = ""
    migration: str = ""
    fields: Mapping[str, Any] = {}


Observer = Callable[[Event], None]


class Run:
    """What a line needs to know of the run that drives it."""

    def __init__(self, *, owner: Owner, leases: HeldLeases, limits: Limits, observe: Observer) -> None:
        self.owner = owner
        self.limits = limits
        self._leases = leases
        self._observe = observe
        self._paused = False

    @property
    def fence(self) -> int:
        """Grows with every run; stores refuse writes that carry a lower one than they have seen."""
        return self._leases.fence

    @property
    def max_latency_ms(self) -> float:
        """The budget of a call in force in Redis; `outpost migrate throttle` changes it while the run works."""
        return self.asked_latency_ms or 5.0

    @property
    def asked_latency_ms(self) -> float | None:
        """The budget that a person has asked for, at the start or while the run works; None for none."""
        return self._leases.steering.max_latency_ms or self.limits.max_latency_ms

    def check(self) -> None:
        """Call before every batch of writes.

        Raises:
            LeaseLost: Another run may own the stores by now.
        """
        self._leases.check()

    async def confirm(self) -> None:
        """Ask the stores whether the run still holds them: call before it is recorded that something is complete.

        Raises:
            LeaseLost: It does not.
            Unreachable: A store cannot be asked.
        """
        await self._leases.confirm()

    @property
    def silent(self) -> bool:
        """The stores were out of reach for so long that `check` fails."""
        return self._leases.silent

    def lose(self, why: str) -> None:
        """Take note that a store has refused a write because of a newer run; every later `check` fails."""
        self._leases.lose(why)

    async def ready(self) -> None:
        """`check`, and wait while a person has paused the run."""
        self._leases.check()
        while self._leases.steering.paused:
            self._pause(self._leases.steering.pause)
            await self._leases.steering_changed()
            self._leases.check()
        self._pause("")

    def _pause(self, why: str) -> None:
        """Tell of a pause when it begins and ends; those who work side by side all notice it."""
        if bool(why) == self._paused:
            return
        self._paused = bool(why)
        if self._leases.progress is not None:
            self._leases.progress = msgspec.structs.replace(self._leases.progress, throttled="paused" if why else "")
        self.tell("paused" if why else "resumed", reason=why)

    @contextmanager
    def step(self, store: str, migration: str, *, number: int, of: int) -> Generator[None]:
        """The migration that the block applies: told at its begin and end, and to others with the next heartbeat.

        Args:
            number: Its place in its line, from 1.
            of: How many the line has.
        """
        self.tell("step_started", store=store, migration=migration)
        self._leases.begin_step(Progress(store=store, migration=migration, step=number, steps=of))
        started = time.monotonic()
        yield
        self._leases.progress = None
        milliseconds = int((time.monotonic() - started) * 1000)
        self.tell("step_applied", store=store, migration=migration, duration_ms=milliseconds)

    def report(self, progress: Progress) -> None:
        """Tell how far the run is; shown here, and to others with the next heartbeat."""
        before = self._leases.progress
        if before is not None and (before.store, before.migration) == (progress.store, progress.migration):
            progress = msgspec.structs.replace(progress, step=before.step, steps=before.steps)
        self._leases.progress = progress
        fields = msgspec.structs.asdict(self._leases.shown or progress)
        self.tell("progress", store=fields.pop("store"), migration=fields.pop("migration"), **fields)

    def tell(self, event: str, *, store: str = "", migration: str = "", **fields: Any) -> None:
        self._observe(
            Event(
                event=event,
                at=datetime.now(UTC),
                run=self.owner.run,
                fence=self.fence,
                store=store,
                migration=migration,
                fields=fields,
            )
        )
