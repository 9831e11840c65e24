"""What other users of a Postgres database feel while it is migrated."""

import asyncio
import time
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import Self

import msgspec

from outpost.clients.postgres import Connection, StatementFailed, Target, connect
from outpost.clients.postgres.errors import translated

_EVENT_COLUMNS = "id, tenant_id, time, topic, eligible_for_retry, data, metadata"
_EVENT = "'now_{n}', 't{n}', clock_timestamp(), 'order', true, '{{\"n\": {n}}}', '{{}}'"
_TRY_COLUMNS = "id, event_id, destination_id, status, time, code, response_data"
_TRY = "'now_{n}', 'now_{n}', 'des', 'success', clock_timestamp(), '200', '{{}}'"
_NEW_TRY_COLUMNS = f"{_TRY_COLUMNS}, tenant_id, topic, event_time, eligible_for_retry, event_data, event_metadata"
_NEW_TRY = f"{_TRY}, 't{{n}}', 'order', clock_timestamp(), true, '{{{{}}}}', '{{{{}}}}'"
# Each in the old shape and in the new one.
_STATEMENTS = (
    (
        f"INSERT INTO events ({_EVENT_COLUMNS}, destination_id) VALUES ({_EVENT}, '')",
        f"INSERT INTO events ({_EVENT_COLUMNS}) VALUES ({_EVENT})",
    ),
    (
        f"INSERT INTO deliveries ({_TRY_COLUMNS}) VALUES ({_TRY})",
        f"INSERT INTO attempts ({_NEW_TRY_COLUMNS}) VALUES ({_NEW_TRY})",
    ),
)
_LOCKS = """
SELECT DISTINCT l.virtualtransaction AS holder
  FROM pg_locks AS l
  JOIN pg_class AS c ON c.oid = l.relation
 WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND l.mode IN ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock')
   AND c.relname ~ '^(events|deliveries|attempts)' AND c.relkind IN ('r', 'p')"""


class Stall(msgspec.Struct, frozen=True):
    """How long one statement waited for its answer."""

    sent_at: datetime
    milliseconds: float


class _Background(ABC):
    """A task on a connection of its own, for the length of a block."""

    def __init__(self, target: Target) -> None:
        self._target = target

    async def __aenter__(self) -> Self:
        self._ending = asyncio.Event()
        self._task = asyncio.create_task(self._connected())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending.set()
        await self._task

    async def _connected(self) -> None:
        async with connect(self._target, application="benchmark") as connection:
            while not self._ending.is_set():
                await self._once(connection)

    @abstractmethod
    async def _once(self, connection: Connection) -> None: ...


class Writer(_Background):
    """Inserts some 200 rows a second, events and what became of them."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.stalls: list[Stall] = []
        self._refused = 0
        self._number = 0
        self._left = [list(shapes) for shapes in _STATEMENTS]

    async def _once(self, connection: Connection) -> None:
        self._number += 1
        for shapes in self._left:
            sent_at, started = datetime.now(UTC), time.perf_counter()
            try:
                with translated(self._target.address, connection):
                    await connection.execute(shapes[0].format(n=time.time_ns()))
            except StatementFailed:  # its shape is gone
                self._refused += 1
                del shapes[:-1]
            self.stalls.append(Stall(sent_at, (time.perf_counter() - started) * 1000))
            await asyncio.sleep(0.005)

    def report(self) -> dict[str, float]:
        waits = sorted(stall.milliseconds for stall in self.stalls)
        return {
            "statements": len(waits),
            "refused": self._refused,
            "p50_ms": round(waits[len(waits) // 2], 2),
            "p99_ms": round(waits[int(len(waits) * 0.99)], 2),
            "longest_ms": round(waits[-1], 1),
            "waited_over_250_ms": sum(wait > 250 for wait in waits),
        }


class LockWatch(_Background):
    """How long one transaction kept others from writing a table, to some 10 ms."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.longest_ms = 0.0
        self._since: dict[str, float] = {}

    async def _once(self, connection: Connection) -> None:
        now = time.perf_counter()
        holders = [row["holder"] for row in await connection.fetch(_LOCKS)]
        self._since = {holder: self._since.get(holder, now) for holder in holders}
        longest = max((now - since for since in self._since.values()), default=0.0)
        self.longest_ms = max(self.longest_ms, round(longest * 1000, 1))
        await asyncio.sleep(0.01)
