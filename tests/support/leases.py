"""A lock in memory, for tests of what is built on locks."""

import msgspec

from outpost.migrations.errors import Refused, Unreachable
from outpost.migrations.lease import Timings
from outpost.migrations.owner import Owner
from outpost.migrations.report import Holder, Progress
from outpost.migrations.steering import Steering, SteeringChange

QUICK = Timings(heartbeat=0.02, quiet=0.2, stale=90, poll=0.01)


class MemoryLease:
    """A `LeaseStore`.

    Attributes:
        log: What was called, in order, with the store's name: `("redis", "take")`; shared by several stores.
        away: While true, every call finds the store unreachable.
        refuses: While true, the store refuses heartbeats.
        clock: Seconds; tests move it.
    """

    def __init__(self, store: str = "memory", log: list[tuple[str, str]] | None = None) -> None:
        self.store = store
        self.log = [] if log is None else log
        self.away = False
        self.refuses = False
        self.clock = 0.0
        self.token: str | None = None
        self._fence = 0
        self._owner: tuple[Owner, int] | None = None
        self._beat_at = 0.0
        self._progress: Progress | None = None
        self._steering = Steering()

    async def take(self, token: str) -> bool:
        self._call("take")
        self._beat_at = min(self._beat_at, self.clock)
        stale = self.clock - self._beat_at > Timings().stale
        if self.token not in (None, token) and not stale:
            return False
        self.token, self._owner, self._progress, self._steering = token, None, None, Steering()
        self._beat_at = self.clock
        return True

    async def fence(self) -> int:
        self._call("fence")
        return self._fence

    async def raise_fence(self, fence: int) -> None:
        self._call("raise_fence")
        self._fence = max(self._fence, fence)

    async def introduce(self, owner: Owner, fence: int) -> bool:
        self._call("introduce")
        if self.token != owner.token:
            return False
        self._owner = (owner, fence)
        return True

    async def beat(self, token: str, progress: Progress | None) -> Steering | None:
        self._call("beat")
        if self.refuses:
            raise Refused(f"{self.store} is full")
        if self.token != token:
            return None
        self._beat_at, self._progress = self.clock, progress
        return self._steering

    async def release(self, token: str) -> None:
        self._call("release")
        if self.token == token:
            self.token = None

    async def holder(self) -> Holder | None:
        self._call("holder")
        if self.token is None:
            return None
        age = self.clock - self._beat_at
        holder = Holder(
            store=self.store,
            heartbeat_age_seconds=age,
            alive=age <= Timings().stale,
            progress=self._progress,
            steering=self._steering,
        )
        if self._owner is None:
            return holder
        owner, fence = self._owner
        return msgspec.structs.replace(
            holder,
            host=owner.host,
            pid=owner.pid,
            user=owner.user,
            version=owner.version,
            run=owner.run,
            started_at=owner.started_at,
            fence=fence,
        )

    async def revoke(self) -> Holder | None:
        holder = await self.holder()
        if holder is not None:
            self.token = None
            self._fence += 1
        return holder

    async def steer(self, change: SteeringChange) -> Steering | None:
        self._call("steer")
        if self.token is None:
            return None
        wanted = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not msgspec.UNSET}
        self._steering = msgspec.structs.replace(self._steering, **wanted)
        return self._steering

    def _call(self, name: str) -> None:
        if self.away:
            raise Unreachable(f"{self.store} is away")
        self.log.append((self.store, name))
