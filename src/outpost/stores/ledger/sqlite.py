"""The ledger and the delivery queue in one SQLite file: each hot seam is one transaction for many items.

Rows of a task's life, `run` being the number of this server start:

    accept      events + tasks (lease = run, or 0 where the task must wait)
    claim       tasks.lease 0 → run
    settle      attempts +  tasks deleted, or due later with lease 0
    restart     tasks.lease of every earlier run → 0

Keys are counted here and not by SQLite, so that rows can refer to each other before they are written and a key is
never given twice within a run: a late settlement cannot hit another task. `lease` fences the runs.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import NamedTuple

import msgspec

from outpost.clients.sqlite import BLOCKS, Database, insert_rows
from outpost.codec import from_microseconds, from_milliseconds, to_microseconds, to_milliseconds
from outpost.domain.delivery import DeliveryTask, DropReason
from outpost.domain.errors import BacklogFull, NotFound
from outpost.domain.event import Event
from outpost.domain.identifiers import DestinationId, EventId, TenantId
from outpost.domain.tenant import StringMap
from outpost.ports.clock import Clock
from outpost.ports.delivery_queue import Claim, LaneKey
from outpost.ports.ledger import Acceptance, Accepted, LeasedTask, Settlement
from outpost.stores.sqlite_errors import store_errors

_EVENTS = "key, tenant_key, id, topic, time, accepted_at, eligible_for_retry, metadata, matched_destination_ids, data"
_TASKS = "key, event_key, destination_key, attempt_number, manual, due_at, lease"
_ATTEMPTS = (
    "key, id, tenant_key, event_key, destination_key, destination_type, attempt_number, manual, status, time, code, "
    "response_data"
)
_DROPPED = "event_key, destination_key, attempt_number, manual, reason, dropped_at"

_IS_DUPLICATE = "SELECT 1 FROM events WHERE id = ? AND tenant_key = ? AND accepted_at > ? LIMIT 1"
_DELETE_TASKS = "DELETE FROM tasks WHERE lease = ? AND key IN ({}) RETURNING key"
_RETRY_TASK = """
    UPDATE tasks SET attempt_number = attempt_number + 1, manual = 0, due_at = ?, lease = 0
    WHERE key = ? AND lease = ? AND NOT EXISTS (
        SELECT 1 FROM tasks AS later WHERE later.event_key = tasks.event_key
        AND later.destination_key = tasks.destination_key AND later.key > tasks.key)
"""
_CLAIM = """
    SELECT key FROM tasks WHERE destination_key = ? AND lease = 0 AND due_at <= ? ORDER BY due_at, key LIMIT ?
"""
_NEXT_DUE = "SELECT min(due_at) FROM tasks WHERE destination_key = ? AND lease = 0"
_CLAIMED = """
    SELECT tasks.key, tasks.event_key, tasks.attempt_number, tasks.manual, events.id, events.topic, events.time,
           events.eligible_for_retry, events.metadata, events.matched_destination_ids, events.data
    FROM tasks JOIN events ON events.key = tasks.event_key
    WHERE tasks.key IN ({}) ORDER BY tasks.due_at, tasks.key
"""
_LANES = """
    SELECT tenants.id, destinations.id, min(tasks.due_at)
    FROM tasks JOIN destinations ON destinations.key = tasks.destination_key
    JOIN tenants ON tenants.key = destinations.tenant_key
    WHERE tasks.lease = 0 GROUP BY tasks.destination_key
"""
_LAST_NUMBER = """
    SELECT max(number) FROM (
        SELECT max(attempt_number) AS number FROM attempts WHERE event_key = :event AND destination_key = :destination
        UNION ALL
        SELECT max(attempt_number) FROM tasks WHERE event_key = :event AND destination_key = :destination
        AND (lease <> 0 OR manual = 1))
"""
_WAIT_LONG = "SELECT DISTINCT attempt_number, manual FROM tasks WHERE lease = 0 AND due_at > ?"
_MOVE_UP = "UPDATE tasks SET due_at = ? WHERE lease = 0 AND attempt_number = ? AND manual = ? AND due_at > ?"
_DUE_AT_ONCE = "UPDATE tasks SET due_at = ? WHERE due_at > ? AND (attempt_number = 1 OR manual = 1)"
_REPLACE_WAITING = """
    DELETE FROM tasks WHERE event_key = :event AND destination_key = :destination AND lease = 0 AND manual = 0
"""
_DROP_BATCH = 2_000
_SHORT_CLAIM = 64
"""Tasks that may be read on the event loop; more are read in the thread of the writer."""
_KNOWN_KEYS = 100_000

_decode_map = msgspec.json.Decoder(StringMap).decode
_decode_ids = msgspec.json.Decoder(tuple[DestinationId, ...]).decode
_encode = msgspec.json.encode


class _Receipt(NamedTuple):
    """Proof of a lease, with the keys that settling needs."""

    task_key: int
    event_key: int


class SQLiteLedger:
    """Ledger and DeliveryQueue over one database file. Open it with `open_ledger`."""

    def __init__(
        self,
        database: Database,
        *,
        run: int,
        keys: "_Keys",
        depth: int,
        clock: Clock,
        duplicate_window: timedelta,
        backlog_limit: int,
        longest_wait: Callable[[int], timedelta],
    ) -> None:
        self._database = database
        self._run = run
        self._keys = keys
        self._depth = depth
        self._clock = clock
        self._duplicate_window = duplicate_window
        self._backlog_limit = backlog_limit
        self._longest_wait = longest_wait
        self._tenant_keys: dict[TenantId, int] = {}
        self._destination_keys: dict[LaneKey, int] = {}

    async def accept_many(self, acceptances: Sequence[Acceptance]) -> Sequence[Accepted]:
        new_tasks = sum([len(acceptance.event.matched_destination_ids) for acceptance in acceptances])
        if self._depth + new_tasks > self._backlog_limit:
            raise BacklogFull(self._backlog_limit)
        now = self._clock()
        with store_errors():
            accepted, added = await self._database.write(lambda connection: self._accept(connection, acceptances, now))
        self._depth += added
        return accepted

    def _accept(
        self, connection: sqlite3.Connection, acceptances: Sequence[Acceptance], now: datetime
    ) -> tuple[list[Accepted], int]:
        accepted_at = to_milliseconds(now)
        duplicates_after = to_milliseconds(now - self._duplicate_window)
        events: list[tuple[object, ...]] = []
        tasks: list[tuple[object, ...]] = []
        outcomes: list[Accepted] = []
        seen: set[tuple[TenantId, EventId]] = set()
        for acceptance in acceptances:
            event = acceptance.event
            tenant_key = self._tenant_key(connection, event.tenant_id)
            if acceptance.deduplicate:
                identity = (event.tenant_id, event.id)
                if (
                    identity in seen
                    or connection.execute(_IS_DUPLICATE, (event.id, tenant_key, duplicates_after)).fetchone()
                ):
                    outcomes.append(Accepted(duplicate=True))
                    continue
                seen.add(identity)
            event_key = next(self._keys.events)
            events.append(
                (
                    event_key,
                    tenant_key,
                    event.id,
                    event.topic,
                    to_microseconds(event.time),
                    accepted_at,
                    event.eligible_for_retry,
                    _encode(event.metadata).decode() if event.metadata else "{}",
                    _encode(event.matched_destination_ids).decode(),
                    event.data,
                )
            )
            outcomes.append(self._owe(connection, acceptance, event_key, accepted_at, tasks))
        insert_rows(connection, "events", _EVENTS, events)
        insert_rows(connection, "tasks", _TASKS, tasks)
        return outcomes, len(tasks)

    def _owe(
        self,
        connection: sqlite3.Connection,
        acceptance: Acceptance,
        event_key: int,
        due_at: int,
        tasks: list[tuple[object, ...]],
    ) -> Accepted:
        event = acceptance.event
        leased: list[LeasedTask] = []
        for destination_id in event.matched_destination_ids:
            task_key = next(self._keys.tasks)
            destination_key = self._destination_key(connection, LaneKey(event.tenant_id, destination_id))
            lease = 0
            if destination_id in acceptance.lease_to:
                lease = self._run
                task = DeliveryTask(event=event, destination_id=destination_id)
                leased.append(LeasedTask(task, _Receipt(task_key, event_key)))
            tasks.append((task_key, event_key, destination_key, 1, 0, due_at, lease))
        return Accepted(duplicate=False, leased=leased)

    async def settle_many(self, settlements: Sequence[Settlement]) -> None:
        now = to_milliseconds(self._clock())
        with store_errors():
            ended = await self._database.write(lambda connection: self._settle(connection, settlements, now))
        self._depth -= ended

    def _settle(self, connection: sqlite3.Connection, settlements: Sequence[Settlement], now: int) -> int:
        """Return how many tasks ended."""
        held = {
            receipt.task_key
            for settlement in settlements
            if settlement.retry_at is not None
            and self._planned(connection, receipt := _receipt(settlement.leased), settlement.retry_at)
        }
        ending = [key for settlement in settlements if (key := _receipt(settlement.leased).task_key) not in held]
        ended = {key for cursor in _in_blocks(connection, _DELETE_TASKS, ending, self._run) for (key,) in cursor}
        held |= ended
        attempts: list[tuple[object, ...]] = []
        dropped: list[tuple[object, ...]] = []
        for settlement in settlements:
            receipt = _receipt(settlement.leased)
            if receipt.task_key not in held:
                continue  # the lease is no longer ours: settled before, or passed to a later run
            held.discard(receipt.task_key)
            task = settlement.leased.task
            destination_key = self._destination_key(connection, LaneKey(task.event.tenant_id, task.destination_id))
            attempt = settlement.attempt
            if attempt is not None:
                attempts.append(
                    (
                        next(self._keys.attempts),
                        attempt.id,
                        self._tenant_key(connection, attempt.tenant_id),
                        receipt.event_key,
                        destination_key,
                        attempt.destination_type,
                        attempt.attempt_number,
                        attempt.manual,
                        attempt.status,
                        to_microseconds(attempt.time),
                        attempt.code,
                        attempt.response_data,
                    )
                )
            elif settlement.dropped is not None:
                dropped.append(
                    (receipt.event_key, destination_key, task.attempt_number, task.manual, settlement.dropped, now)
                )
        insert_rows(connection, "attempts", _ATTEMPTS, attempts)
        insert_rows(connection, "dropped_tasks", _DROPPED, dropped)
        return len(ended)

    def _planned(self, connection: sqlite3.Connection, receipt: _Receipt, retry_at: datetime) -> bool:
        cursor = connection.execute(_RETRY_TASK, (to_milliseconds(retry_at), receipt.task_key, self._run))
        return cursor.rowcount == 1

    async def request_retry(self, tenant_id: TenantId, event_id: EventId, destination_id: DestinationId) -> int:
        now = to_milliseconds(self._clock())
        lane = LaneKey(tenant_id, destination_id)
        with store_errors():
            number, added = await self._database.write(
                lambda connection: self._request_retry(connection, lane, event_id, now)
            )
        self._depth += added
        return number

    def _request_retry(
        self, connection: sqlite3.Connection, lane: LaneKey, event_id: EventId, now: int
    ) -> tuple[int, int]:
        """Return the attempt number and by how much the number of tasks has grown."""
        row = connection.execute(
            "SELECT key, matched_destination_ids FROM events WHERE id = ? AND tenant_key = ? ORDER BY key DESC LIMIT 1",
            (event_id, self._tenant_key(connection, lane.tenant_id)),
        ).fetchone()
        if row is None or lane.destination_id not in _decode_ids(row[1]):
            raise NotFound("event")
        pair = {"event": row[0], "destination": self._destination_key(connection, lane)}
        replaced = connection.execute(
            _REPLACE_WAITING,
            pair,
        ).rowcount
        number = (connection.execute(_LAST_NUMBER, pair).fetchone()[0] or 0) + 1
        task = (next(self._keys.tasks), pair["event"], pair["destination"], number, 1, now, 0)
        insert_rows(connection, "tasks", _TASKS, [task])
        return number, 1 - replaced

    async def drop_waiting(
        self, tenant_id: TenantId, destination_ids: Sequence[DestinationId], reason: DropReason
    ) -> int:
        now = to_milliseconds(self._clock())
        total = 0
        for destination_id in destination_ids:
            lane = LaneKey(tenant_id, destination_id)
            dropped = _DROP_BATCH
            while dropped == _DROP_BATCH:  # in batches, so that nobody waits long for the writer
                with store_errors():
                    dropped = await self._database.write(
                        lambda connection, lane=lane: self._drop(connection, lane, reason, now), is_long=True
                    )
                self._depth -= dropped
                total += dropped
        return total

    def _drop(self, connection: sqlite3.Connection, lane: LaneKey, reason: DropReason, now: int) -> int:
        rows = connection.execute(
            "SELECT key, event_key, destination_key, attempt_number, manual FROM tasks "
            "WHERE destination_key = ? AND lease = 0 LIMIT ?",
            (self._destination_key(connection, lane), _DROP_BATCH),
        ).fetchall()
        insert_rows(connection, "dropped_tasks", _DROPPED, [(*row[1:], reason, now) for row in rows])
        for cursor in _in_blocks(connection, _DELETE_TASKS, [row[0] for row in rows], 0):
            cursor.fetchall()  # until then a statement that returns rows is not over
        return len(rows)

    # --- the delivery queue

    async def claim(self, lane: LaneKey, *, limit: int, now: datetime) -> Claim:
        with store_errors():
            return await self._database.write(
                lambda connection: self._claim(connection, lane, limit, now), is_long=limit > _SHORT_CLAIM
            )

    def _claim(self, connection: sqlite3.Connection, lane: LaneKey, limit: int, now: datetime) -> Claim:
        destination_key = self._destination_key(connection, lane)
        due = connection.execute(_CLAIM, (destination_key, to_milliseconds(now), limit)).fetchall()
        keys = [key for (key,) in due]
        _in_blocks(connection, "UPDATE tasks SET lease = ? WHERE key IN ({})", keys, self._run)
        tasks = [_leased(lane, row) for cursor in _in_blocks(connection, _CLAIMED, keys) for row in cursor]
        (next_due,) = connection.execute(_NEXT_DUE, (destination_key,)).fetchone()
        return Claim(tasks=tasks, next_due=None if next_due is None else from_milliseconds(next_due))

    async def next_due(self) -> Mapping[LaneKey, datetime]:
        with store_errors():
            rows = await self._database.read(lambda connection: connection.execute(_LANES).fetchall())
        return {LaneKey(tenant, destination): from_milliseconds(due) for tenant, destination, due in rows}

    async def move_up(self, *, now: datetime) -> None:
        with store_errors():
            await self._database.write(lambda connection: self._move_up(connection, now), is_long=True)

    def _move_up(self, connection: sqlite3.Connection, now: datetime) -> None:
        for attempt_number, manual in connection.execute(_WAIT_LONG, (to_milliseconds(now),)).fetchall():
            latest = now if manual else now + self._longest_wait(attempt_number)
            due_at = to_milliseconds(latest)
            connection.execute(_MOVE_UP, (due_at, attempt_number, manual, due_at))

    def depth(self) -> int:
        return self._depth

    # --- text ids to row keys; rows of tenants and destinations keep their keys for ever

    def _tenant_key(self, connection: sqlite3.Connection, tenant_id: TenantId) -> int:
        key = self._tenant_keys.get(tenant_id)
        if key is None:
            row = connection.execute("SELECT key FROM tenants WHERE id = ?", (tenant_id,)).fetchone()
            if row is None:
                raise NotFound("tenant")
            if len(self._tenant_keys) >= _KNOWN_KEYS:
                self._tenant_keys.clear()
            key = self._tenant_keys[tenant_id] = row[0]
        return key

    def _destination_key(self, connection: sqlite3.Connection, lane: LaneKey) -> int:
        key = self._destination_keys.get(lane)
        if key is None:
            row = connection.execute(
                "SELECT key FROM destinations WHERE tenant_key = ? AND id = ?",
                (self._tenant_key(connection, lane.tenant_id), lane.destination_id),
            ).fetchone()
            if row is None:
                raise NotFound("destination")
            if len(self._destination_keys) >= _KNOWN_KEYS:
                self._destination_keys.clear()
            key = self._destination_keys[lane] = row[0]
        return key


class _Keys(NamedTuple):
    """The next row keys of each table."""

    events: "count[int]"
    tasks: "count[int]"
    attempts: "count[int]"


async def open_ledger(
    database: Database,
    *,
    clock: Clock,
    duplicate_window: timedelta,
    backlog_limit: int,
    longest_wait: Callable[[int], timedelta],
) -> SQLiteLedger:
    """Start a run: end the leases of every earlier one and count keys on from theirs.

    Args:
        duplicate_window: How long a publisher's event id is remembered.
        backlog_limit: Tasks, waiting and in flight, past which nothing is accepted.
        longest_wait: Returns how long the attempt of a number may have to wait, from when it is planned.

    Raises:
        StoreUnavailable, StoreCorrupted: The file cannot be used.
    """
    now = to_milliseconds(clock())

    def start(connection: sqlite3.Connection) -> tuple[int, _Keys, int]:
        run = connection.execute("INSERT INTO runs (started_at) VALUES (?)", (now,)).lastrowid or 0
        connection.execute("UPDATE tasks SET lease = 0 WHERE lease <> 0")
        connection.execute(_DUE_AT_ONCE, (now, now))  # the clock was set back since they were accepted
        (depth,) = connection.execute("SELECT count(*) FROM tasks").fetchone()
        return run, _Keys(*(_counter(connection, table) for table in _Keys._fields)), depth

    with store_errors():
        run, keys, depth = await database.write(start, is_long=True)
    return SQLiteLedger(
        database,
        run=run,
        keys=keys,
        depth=depth,
        clock=clock,
        duplicate_window=duplicate_window,
        backlog_limit=backlog_limit,
        longest_wait=longest_wait,
    )


def _counter(connection: sqlite3.Connection, table: str) -> "count[int]":
    (highest,) = connection.execute(f"SELECT coalesce(max(key), 0) FROM {table}").fetchone()
    return count(highest + 1)


def _receipt(leased: LeasedTask) -> _Receipt:
    assert isinstance(leased.receipt, _Receipt), "a lease of another ledger"
    return leased.receipt


def _leased(lane: LaneKey, row: tuple[int, int, int, int, str, str, int, int, str, str, bytes]) -> LeasedTask:
    task_key, event_key, attempt_number, manual, event_id, topic, time, eligible, metadata, matched, data = row
    event = Event(
        id=EventId(event_id),
        tenant_id=lane.tenant_id,
        topic=topic,
        time=from_microseconds(time),
        eligible_for_retry=bool(eligible),
        metadata=_decode_map(metadata),
        data=data,
        matched_destination_ids=_decode_ids(matched),
    )
    task = DeliveryTask(
        event=event, destination_id=lane.destination_id, attempt_number=attempt_number, manual=bool(manual)
    )
    return LeasedTask(task, _Receipt(task_key, event_key))


def _in_blocks(
    connection: sqlite3.Connection, statement: str, keys: Sequence[int], *first: int
) -> list[sqlite3.Cursor]:
    """Run `statement`, whose `{}` takes a list of parameters, over `keys` in blocks of a few fixed sizes."""
    cursors: list[sqlite3.Cursor] = []
    start = 0
    for size in BLOCKS:
        text = statement.format(", ".join("?" * size))
        while len(keys) - start >= size:
            cursors.append(connection.execute(text, (*first, *keys[start : start + size])))
            start += size
    return cursors
