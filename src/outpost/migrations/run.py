"""One execution of a command that changes stores: who it is, what it may do, what it tells."""

from collections.abc import Callable, Mapping
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
        while True:
            self._leases.check()
            if not self._leases.steering.paused:
                return
            await self._leases.steering_changed()

    def report(self, progress: Progress) -> None:
        """Tell how far the run is; shown here, and to others with the next heartbeat."""
        self._leases.progress = progress
        fields = msgspec.structs.asdict(progress)
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
