"""One runner at a time: a lease in every store that a run will touch, with heartbeat, fence and revocation.

    taken ──heartbeat every 10 s──▶ taken ──released──▶ free
      │                               │
      │ no heartbeat for 90 s         │ `outpost migrate unlock`: fence raised, then deleted
      ▼                               ▼
    stale: another run takes over    free; the holder finds out and stops

Three rules:

1. Leases are taken in one fixed order of the stores, all before the first change, and released in reverse. So runs
   that share only one of their stores exclude each other there, and none waits for another in a circle.
2. The fence of a run is one more than the highest fence in any of its stores, and is written to each. It is raised
   after the lock is taken and the lock is read once more after that, so the order of fences is the order of owners.
3. A run writes nothing later than 60 s after it *sent* its last successful heartbeat; others take over after 90 s.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec

from outpost.migrations.errors import LeaseLost, LockHeld, MigrationError, Unreachable
from outpost.migrations.owner import Owner
from outpost.migrations.report import Holder, Progress
from outpost.migrations.steering import Steering, SteeringChange, combined

Waiting = Callable[[Holder], None]
"""Told again and again who holds the lock while a run waits for it."""


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; tests shorten them."""

    heartbeat: float = 10.0
    quiet: float = 60.0
    stale: float = 90.0
    expiry: float = 3_600.0
    poll: float = 1.0


class LeaseStore(Protocol):
    """The lock of one store. Each method is atomic in the store; times are the store's own.

    Every method raises Unreachable when the store cannot be asked; whether the call had an effect is then unknown.
    Calls go over a connection of their own, so that they are not kept waiting by the work of the run.
    """

    @property
    def store(self) -> str: ...

    async def take(self, token: str) -> bool:
        """Take the lock if it is free, or if its holder is one of ours and stale; say whether it is now ours.

        A heartbeat ahead of the store's clock, which was set back since, counts as one of now: so a holder that is dead
        is stale soon, and one that is alive has time for the next.
        """
        ...

    async def fence(self) -> int:
        """Return the highest fence this store has seen; 0 for none."""
        ...

    async def raise_fence(self, fence: int) -> None:
        """Remember `fence` unless a higher one is known."""
        ...

    async def introduce(self, owner: Owner, fence: int) -> bool:
        """Write who holds the lock, if it is still this owner's; say whether it was."""
        ...

    async def beat(self, token: str, progress: Progress | None) -> Steering | None:
        """Renew the lock and return what is asked of its holder, or None if it is not ours any more."""
        ...

    async def release(self, token: str) -> None:
        """Free the lock if it is ours."""
        ...

    async def holder(self) -> Holder | None: ...

    async def revoke(self) -> Holder | None:
        """Raise the fence, delete the lock whoever holds it, and return who did."""
        ...

    async def steer(self, change: SteeringChange) -> Steering | None:
        """Change what is asked of the holder; return all that is asked of it now, or None if it cannot be told.

        It is asked for as long as the holder has the lock. Nobody can be told while the lock is free, or the original
        tool's, or just taken by a run that has not introduced itself.
        """
        ...


class HeldLeases:
    """The leases of one run, renewed until `acquired` is left."""

    def __init__(self, stores: Sequence[LeaseStore], owner: Owner, fence: int, timings: Timings) -> None:
        self.fence = fence
        self.steering = Steering()
        self.progress: Progress | None = None
        self._step_began_at = 0.0
        self._stores = stores
        self._owner = owner
        self._timings = timings
        self._renewed_at = time.monotonic()
        self._lost = ""
        self._trouble = ""  # why the last heartbeat did not get through
        self._steered = asyncio.Event()

    def begin_step(self, progress: Progress) -> None:
        self.progress = progress
        self._step_began_at = time.monotonic()

    @property
    def shown(self) -> Progress | None:
        """`progress` as heartbeats tell it: of a step with the time that it has taken until now."""
        if self.progress is None or not self.progress.step:
            return self.progress
        return msgspec.structs.replace(self.progress, step_seconds=time.monotonic() - self._step_began_at)

    def check(self) -> None:
        """Raises LeaseLost unless every lease is certainly still ours."""
        if not self._lost and self.silent:
            why = f" ({self._trouble})" if self._trouble else ""
            self.lose(f"no heartbeat got through for {time.monotonic() - self._renewed_at:.0f} s{why}")
        if self._lost:
            raise LeaseLost(f"the migration lock was lost: {self._lost}; what was done is kept, run it again")

    @property
    def silent(self) -> bool:
        """No heartbeat got through for so long that another run may take over soon."""
        return time.monotonic() - self._renewed_at > self._timings.quiet

    async def confirm(self) -> None:
        """Ask every store now.

        Raises:
            LeaseLost: A lease is not ours any more.
            Unreachable: A store did not say.
        """
        renewed_at = self._renewed_at
        await self.beat()
        self.check()
        if self._renewed_at == renewed_at:
            raise Unreachable(self._trouble)

    def lose(self, why: str) -> None:
        self._lost = self._lost or why

    async def steering_changed(self) -> None:
        """Wait for the next heartbeat, which brings news."""
        self._steered.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timings.heartbeat * 2):
                await self._steered.wait()

    async def keep(self) -> None:
        """Send heartbeats until cancelled."""
        while True:
            await asyncio.sleep(self._timings.heartbeat)
            await self.beat()

    async def beat(self) -> None:
        """Send one heartbeat to each store; rule 3 ends the run if they do not get through."""
        sent_at, trouble = time.monotonic(), ""
        answers: list[Steering] = []
        for store in self._stores:
            try:
                answer = await store.beat(self._owner.token, self.shown)
            except MigrationError as error:  # away, or it refuses writes for now
                trouble = str(error)
                continue
            if answer is None:
                self.lose(f"it was revoked or taken over in {store.store}, or {store.store} has lost it")
            else:
                answers.append(answer)
        self._trouble = trouble
        if trouble:
            return
        self.steering = combined(answers)
        self._renewed_at = max(self._renewed_at, sent_at)
        self._steered.set()


@asynccontextmanager
async def acquired(
    stores: Sequence[LeaseStore],
    owner: Owner,
    *,
    lock_seconds: float | None,
    waiting: Waiting,
    timings: Timings,
) -> AsyncGenerator[HeldLeases]:
    """Hold the leases of all `stores`, given in the fixed order.

    Args:
        lock_seconds: How long to wait for a living holder; None as long as it lives, 0 not at all.

    Raises:
        LockHeld: The holder lived on.
        Unreachable: A store cannot be asked.
    """
    give_up_at = None if lock_seconds is None else time.monotonic() + lock_seconds
    while (fence := await _try_all(stores, owner, waiting, give_up_at)) is None:  # noqa: ASYNC110 other hosts send no events
        await asyncio.sleep(timings.poll * random.uniform(0.5, 1.5))
    held = HeldLeases(stores, owner, fence, timings)
    keeping = asyncio.create_task(held.keep())
    try:
        yield held
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        await _release(stores, owner.token)


async def _try_all(
    stores: Sequence[LeaseStore], owner: Owner, waiting: Waiting, give_up_at: float | None
) -> int | None:
    """Take every lease and return the fence, or none of them and return None."""
    taken: list[LeaseStore] = []
    try:
        for store in stores:
            if not await store.take(owner.token):
                await _wait_or_give_up(store, waiting, give_up_at)
                return None
            taken.append(store)
        fence = 1 + max([await store.fence() for store in stores], default=0)
        for store in stores:
            await store.raise_fence(fence)
        for store in stores:
            if not await store.introduce(owner, fence):
                return None
        taken.clear()
    finally:
        await _release(taken, owner.token)
    return fence


async def _wait_or_give_up(store: LeaseStore, waiting: Waiting, give_up_at: float | None) -> None:
    holder = await store.holder()
    if holder is None:
        return
    if give_up_at is not None and time.monotonic() >= give_up_at:
        raise LockHeld(
            f"the migration lock in {store.store} is held by {describe(holder)}; wait for it, or if it is certainly "
            "not running, run: outpost migrate unlock"
        )
    waiting(holder)


async def _release(stores: Sequence[LeaseStore], token: str) -> None:
    for store in reversed(stores):
        with contextlib.suppress(MigrationError):  # it would hide the error that ended the run; the lock expires
            await store.release(token)


def describe(holder: Holder) -> str:
    """Return who holds a lock, for people."""
    left = holder.expires_in_seconds
    ends = "" if left is None else f", expires in {int(left) // 60}m{int(left) % 60:02d}s"
    if holder.foreign:
        return f"another program (no owner recorded){ends}"
    sign = "ALIVE" if holder.alive else "STALE: the next `apply` takes over"
    return (
        f"{holder.host} (pid {holder.pid}, user {holder.user}, outpost {holder.version}), fence {holder.fence}, "
        f"heartbeat {holder.heartbeat_age_seconds:.0f} s ago: {sign}{ends if holder.alive else ''}"
    )
