"""What every driver of the log store must do."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from outpost.conformance.builders import ONE, START, TENANT, TWO, an_attempt, an_event, whole_ticks
from outpost.conformance.paging import walk_there_and_back
from outpost.domain.attempt import Attempt, AttemptStatus
from outpost.domain.event import Event
from outpost.domain.identifiers import AttemptId, EventId, TenantId
from outpost.ports.log_store import AttemptQuery, EventQuery, LoggedAttempt, LogStore, TimeWindow
from outpost.ports.paging import Direction, PageRequest, Position

OTHER = TenantId("umbrella")
MICROSECOND = timedelta(microseconds=1)
FIRST_PAGE = PageRequest(limit=100, direction="asc")
LIMITS = [1, 2, 3, 5, 6]

WINDOWS: list[tuple[dict[str, int], list[int]]] = [
    ({}, [0, 1, 2, 3]),
    ({"gte": 1}, [1, 2, 3]),
    ({"gt": 1}, [2, 3]),
    ({"lte": 1}, [0, 1]),
    ({"lt": 1}, [0]),
    ({"gte": 1, "lt": 3}, [1, 2]),
    ({"gt": 0, "lte": 2}, [1, 2]),
    ({"gt": 3}, []),
    ({"gte": 0, "gt": 2}, [3]),
]
"""Windows, and which of four rows one tick apart lie in them."""


@dataclass
class LogHarness:
    """A driver under test, empty at first.

    Any tenant and destination id may be recorded.

    Attributes:
        record: Stores an event with attempts made for it, as a ledger would. Called again with the same event, it
            stores further attempts.
        owe: Gives a recorded event a task that waits for its first matched destination; None if the store holds no
            tasks.
        cut_at: Returns the same store with pages of at most so many bytes; None if it knows no such bound.
        tick: What the store keeps of an instant: whole multiples of this.
    """

    store: LogStore
    record: Callable[[Event, Sequence[Attempt]], Awaitable[None]]
    owe: Callable[[Event], Awaitable[None]] | None
    cut_at: Callable[[int], LogStore] | None
    tick: timedelta = MICROSECOND

    def moment(self, number: int) -> datetime:
        """Return an instant that the store keeps as it is, `number` ticks after the first."""
        return whole_ticks(START, self.tick) + number * self.tick

    def kept_event(self, event: Event) -> Event:
        """Return what the store keeps of an event."""
        return msgspec.structs.replace(event, time=whole_ticks(event.time, self.tick))

    def kept_attempt(self, attempt: Attempt) -> Attempt:
        """Return what the store keeps of an attempt."""
        return msgspec.structs.replace(attempt, time=whole_ticks(attempt.time, self.tick))


class LogStoreConformance:
    """Bind it by a fixture `log` that yields a LogHarness."""

    # --- one event

    @pytest.mark.parametrize(
        "event",
        [
            an_event(),
            an_event(eligible_for_retry=False, metadata={}, topic="", matched_destination_ids=()),
            an_event(matched_destination_ids=(TWO, ONE), data=b' {"a" : 1.00, "a":"\\u0000\xe2\x80\xa8<&>"} '),
            an_event("id with 'quotes' and ü", metadata={"<&>": "\u2028 \x01 é"}, time=START.replace(microsecond=0)),
            an_event(time=START.replace(year=1969)),
        ],
    )
    async def test_an_event_comes_back_as_it_was_stored(self, log: LogHarness, event: Event) -> None:
        await log.record(event, [])

        assert await log.store.event(event.id) == log.kept_event(event)
        assert await self.events(log) == [log.kept_event(event)]

    async def test_an_unknown_event_is_not_found(self, log: LogHarness) -> None:
        await log.record(an_event(), [])

        assert await log.store.event(EventId("unknown")) is None

    async def test_an_event_is_found_in_its_tenant_alone(self, log: LogHarness) -> None:
        await log.record(an_event("mine"), [])
        await log.record(an_event("theirs", tenant_id=OTHER), [])

        assert await log.store.event(EventId("mine"), tenant_id=OTHER) is None
        assert await log.store.event(EventId("mine"), tenant_id=TenantId("unknown")) is None
        assert await log.store.event(EventId("mine"), tenant_id=TENANT) == log.kept_event(an_event("mine"))

    async def test_of_two_tenants_events_of_one_id_the_newest_is_found(self, log: LogHarness) -> None:
        older = an_event(time=log.moment(0))
        newer = an_event(tenant_id=OTHER, time=log.moment(1))
        await log.record(newer, [])
        await log.record(older, [])

        assert await log.store.event(older.id) == newer
        assert await log.store.event(older.id, tenant_id=TENANT) == older

    # --- many events

    @pytest.mark.parametrize("direction", ["asc", "desc"])
    async def test_events_are_ordered_by_time_then_id(self, log: LogHarness, direction: Direction) -> None:
        for event_id, moment in (("c", 0), ("b", 1), ("a", 1), ("d", 2)):
            await log.record(an_event(event_id, time=log.moment(moment)), [])

        page = await log.store.events(EventQuery(page=PageRequest(limit=100, direction=direction)))

        expected = ["c", "a", "b", "d"] if direction == "asc" else ["d", "b", "a", "c"]
        assert [event.id for event in page.items] == expected
        assert not page.more

    @pytest.mark.parametrize("direction", ["asc", "desc"])
    @pytest.mark.parametrize("limit", LIMITS)
    async def test_events_of_one_tick_are_on_exactly_one_page_each(
        self, log: LogHarness, direction: Direction, limit: int
    ) -> None:
        for number in range(5):
            await log.record(an_event(f"evt_{number}"), [])

        there, back = await walk_there_and_back(
            lambda request: log.store.events(EventQuery(page=request)), event_position, limit=limit, direction=direction
        )

        check_walk(there, back, [event.id for event in await self.events(log, direction=direction)], limit)

    @pytest.mark.parametrize("direction", ["asc", "desc"])
    async def test_events_ticks_apart_are_paged_under_a_filter(self, log: LogHarness, direction: Direction) -> None:
        for number in range(10):
            tenant_id = TENANT if number % 2 else OTHER
            await log.record(an_event(f"evt_{9 - number}", tenant_id=tenant_id, time=log.moment(number)), [])

        there, back = await walk_there_and_back(
            lambda request: log.store.events(EventQuery(page=request, tenant_ids=[TENANT])),
            event_position,
            limit=2,
            direction=direction,
        )

        wanted = ["evt_8", "evt_6", "evt_4", "evt_2", "evt_0"]
        check_walk(there, back, wanted if direction == "asc" else wanted[::-1], 2)

    @pytest.mark.parametrize("direction", ["asc", "desc"])
    async def test_a_page_of_large_rows_is_cut_short_and_the_next_goes_on(
        self, log: LogHarness, direction: Direction
    ) -> None:
        if log.cut_at is None:
            pytest.skip("its rows are in memory already")
        store = log.cut_at(10_000)
        for number in range(10):
            event = an_event(f"evt_{number}", data=b'{"a":"%s"}' % (b"x" * 2_000), time=log.moment(number))
            await log.record(event, [an_attempt(f"atm_{number}", event_id=event.id, time=log.moment(number))])

        events = await walk_there_and_back(
            lambda request: store.events(EventQuery(page=request)), event_position, limit=10, direction=direction
        )
        attempts = await walk_there_and_back(
            lambda request: store.attempts(AttemptQuery(page=request)), attempt_position, limit=10, direction=direction
        )

        wanted = range(10) if direction == "asc" else range(9, -1, -1)
        for walk in events:
            assert len(walk) > 1
            assert [event.id for page in walk for event in page] == [f"evt_{number}" for number in wanted]
        for walk in attempts:
            assert len(walk) > 1
            assert [logged.attempt.id for page in walk for logged in page] == [f"atm_{number}" for number in wanted]

    async def test_a_position_need_not_be_that_of_a_row(self, log: LogHarness) -> None:
        for moment in (0, 2):
            await log.record(an_event(f"evt_{moment}", time=log.moment(moment)), [])
        between = Position(log.moment(1), "")

        after = await log.store.events(EventQuery(page=PageRequest(limit=5, direction="asc", after=between)))
        before = await log.store.events(EventQuery(page=PageRequest(limit=5, direction="asc", before=between)))

        assert [event.id for event in after.items] == ["evt_2"]
        assert [event.id for event in before.items] == ["evt_0"]

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            ({}, ["evt_0", "evt_1", "evt_2", "evt_3"]),
            ({"ids": ["evt_2", "evt_0", "unknown"]}, ["evt_0", "evt_2"]),
            ({"ids": ["evt_2"], "tenant_ids": ["acme"]}, []),
            ({"tenant_ids": ["acme"]}, ["evt_0", "evt_1"]),
            ({"tenant_ids": ["acme", "umbrella"]}, ["evt_0", "evt_1", "evt_2", "evt_3"]),
            ({"tenant_ids": ["unknown"]}, []),
            ({"topics": ["user.deleted"]}, ["evt_1"]),
            ({"topics": ["user.*"]}, []),
            ({"topics": ["user.created", "user.deleted"], "tenant_ids": ["acme"]}, ["evt_0", "evt_1"]),
            ({"destination_ids": ["des_2"]}, ["evt_1", "evt_3"]),
            ({"destination_ids": ["des_1", "des_2"]}, ["evt_0", "evt_1", "evt_3"]),
            ({"destination_ids": ["des_2"], "tenant_ids": ["umbrella"]}, ["evt_3"]),
            ({"destination_ids": ["des_"]}, []),
            ({"ids": []}, []),
            ({"tenant_ids": []}, []),
            ({"topics": []}, []),
            ({"destination_ids": []}, []),
        ],
    )
    async def test_events_are_selected_by(
        self, log: LogHarness, condition: dict[str, Any], expected: Sequence[str]
    ) -> None:
        await log.record(an_event("evt_0"), [])
        await log.record(an_event("evt_1", topic="user.deleted", matched_destination_ids=(ONE, TWO)), [])
        await log.record(an_event("evt_2", tenant_id=OTHER, matched_destination_ids=()), [])
        await log.record(an_event("evt_3", tenant_id=OTHER, matched_destination_ids=(TWO,)), [])

        assert [event.id for event in await self.events(log, **condition)] == expected

    @pytest.mark.parametrize(("window", "expected"), WINDOWS)
    @pytest.mark.parametrize("tenant_ids", [None, [TENANT]])
    async def test_events_are_selected_by_time_to_the_tick(
        self, log: LogHarness, window: dict[str, int], expected: Sequence[int], tenant_ids: Sequence[str] | None
    ) -> None:
        for number in range(4):
            await log.record(an_event(f"evt_{number}", time=log.moment(number)), [])

        found = await self.events(log, time=self.window(log, window), tenant_ids=tenant_ids)

        assert [event.id for event in found] == [f"evt_{number}" for number in expected]

    # --- one attempt

    @pytest.mark.parametrize(
        "attempt",
        [
            an_attempt(),
            an_attempt(status=AttemptStatus.FAILED, code="", response_data=None, attempt_number=17, manual=True),
            an_attempt(destination_type="rabbitmq", response_data=b'{"body":"\xe2\x80\xa8"}'),
        ],
    )
    async def test_an_attempt_comes_back_as_it_was_stored_with_its_event(
        self, log: LogHarness, attempt: Attempt
    ) -> None:
        await log.record(an_event(), [attempt])

        logged = LoggedAttempt(attempt=log.kept_attempt(attempt), event=log.kept_event(an_event()))
        assert await log.store.attempt(attempt.id) == logged
        assert await self.attempts(log) == [logged]

    async def test_an_attempt_is_found_in_its_tenant_alone(self, log: LogHarness) -> None:
        await log.record(an_event(), [an_attempt("mine")])
        await log.record(an_event(tenant_id=OTHER), [an_attempt("theirs", tenant_id=OTHER)])

        assert await log.store.attempt(AttemptId("mine"), tenant_id=OTHER) is None
        assert await log.store.attempt(AttemptId("unknown")) is None
        found = await log.store.attempt(AttemptId("theirs"), tenant_id=OTHER)
        assert found is not None
        assert found.event == log.kept_event(an_event(tenant_id=OTHER))

    async def test_the_latest_attempt_is_that_of_the_highest_number(self, log: LogHarness) -> None:
        second = an_attempt("atm_2", attempt_number=2, time=log.moment(-1))
        elsewhere = an_attempt("atm_3", attempt_number=3, destination_id=TWO)
        await log.record(an_event(), [an_attempt("atm_1"), second, elsewhere])
        await log.record(an_event("evt_2"), [an_attempt("atm_4", event_id="evt_2", attempt_number=9)])

        latest = await log.store.latest_attempt(EventId("evt_1"), ONE)

        assert latest == LoggedAttempt(attempt=second, event=log.kept_event(an_event()))

    async def test_the_latest_attempt_is_looked_for_in_one_tenant(self, log: LogHarness) -> None:
        await log.record(an_event(), [an_attempt("mine")])
        await log.record(an_event(tenant_id=OTHER), [an_attempt("theirs", tenant_id=OTHER, attempt_number=2)])

        mine = await log.store.latest_attempt(EventId("evt_1"), ONE, tenant_id=TENANT)
        anyone = await log.store.latest_attempt(EventId("evt_1"), ONE)

        assert mine is not None
        assert anyone is not None
        assert (mine.attempt.id, anyone.attempt.id) == ("mine", "theirs")

    async def test_a_pair_never_attempted_has_no_latest_attempt(self, log: LogHarness) -> None:
        await log.record(an_event(), [an_attempt()])

        assert await log.store.latest_attempt(EventId("evt_1"), TWO) is None
        assert await log.store.latest_attempt(EventId("evt_2"), ONE) is None
        assert await log.store.latest_attempt(EventId("evt_1"), ONE, tenant_id=OTHER) is None

    # --- many attempts

    @pytest.mark.parametrize("direction", ["asc", "desc"])
    @pytest.mark.parametrize("limit", LIMITS)
    @pytest.mark.parametrize(
        "condition", [{}, {"tenant_ids": [TENANT]}, {"tenant_ids": [TENANT], "destination_ids": [ONE]}]
    )
    async def test_attempts_of_one_tick_are_on_exactly_one_page_each(
        self, log: LogHarness, direction: Direction, limit: int, condition: dict[str, Any]
    ) -> None:
        await log.record(an_event(), [an_attempt(f"atm_{number}") for number in range(5)])

        there, back = await walk_there_and_back(
            lambda request: log.store.attempts(AttemptQuery(page=request, **condition)),
            attempt_position,
            limit=limit,
            direction=direction,
        )

        expected = [f"atm_{number}" for number in range(5)]
        check_walk(there, back, expected if direction == "asc" else expected[::-1], limit)

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            ({}, ["atm_0", "atm_1", "atm_2", "atm_3"]),
            ({"tenant_ids": ["acme"]}, ["atm_0", "atm_1", "atm_2"]),
            ({"tenant_ids": ["umbrella", "unknown"]}, ["atm_3"]),
            ({"event_ids": ["evt_1"]}, ["atm_0", "atm_1", "atm_3"]),
            ({"event_ids": ["evt_1"], "tenant_ids": ["acme"]}, ["atm_0", "atm_1"]),
            ({"event_ids": ["evt_1", "evt_2"], "destination_ids": ["des_2"]}, ["atm_1"]),
            ({"destination_ids": ["des_1"]}, ["atm_0", "atm_2", "atm_3"]),
            ({"destination_ids": ["des_1"], "tenant_ids": ["acme"]}, ["atm_0", "atm_2"]),
            ({"destination_ids": ["des_1", "des_2", "unknown"]}, ["atm_0", "atm_1", "atm_2", "atm_3"]),
            ({"destination_types": ["rabbitmq"]}, ["atm_1"]),
            ({"destination_types": ["rabbitmq", "webhook"]}, ["atm_0", "atm_1", "atm_2", "atm_3"]),
            ({"topics": ["user.deleted"]}, ["atm_2"]),
            ({"status": "failed"}, ["atm_1"]),
            ({"status": "success", "tenant_ids": ["acme"]}, ["atm_0", "atm_2"]),
            ({"status": "unknown"}, []),
            ({"event_ids": ["unknown"]}, []),
            ({"tenant_ids": []}, []),
            ({"event_ids": []}, []),
            ({"destination_ids": []}, []),
            ({"destination_types": []}, []),
            ({"topics": []}, []),
        ],
    )
    async def test_attempts_are_selected_by(
        self, log: LogHarness, condition: dict[str, Any], expected: Sequence[str]
    ) -> None:
        failed = an_attempt("atm_1", destination_id=TWO, destination_type="rabbitmq", status=AttemptStatus.FAILED)
        await log.record(an_event(), [an_attempt("atm_0"), failed])
        await log.record(an_event("evt_2", topic="user.deleted"), [an_attempt("atm_2", event_id="evt_2")])
        await log.record(an_event(tenant_id=OTHER), [an_attempt("atm_3", tenant_id=OTHER)])

        assert [logged.attempt.id for logged in await self.attempts(log, **condition)] == expected

    @pytest.mark.parametrize(("window", "expected"), WINDOWS)
    async def test_attempts_are_selected_by_their_own_time(
        self, log: LogHarness, window: dict[str, int], expected: Sequence[int]
    ) -> None:
        attempts = [an_attempt(f"atm_{number}", time=log.moment(number)) for number in range(4)]
        await log.record(an_event(time=START - timedelta(days=1)), attempts)

        found = await self.attempts(log, time=self.window(log, window))

        assert [logged.attempt.id for logged in found] == [f"atm_{number}" for number in expected]

    # --- deleting what is old

    async def test_events_before_an_instant_are_deleted_with_their_attempts(self, log: LogHarness) -> None:
        await log.record(an_event("old"), [an_attempt("atm_old", event_id="old")])
        await log.record(an_event("new", time=log.moment(1)), [])

        deleted = await log.store.delete_before(log.moment(1), limit=10)

        assert deleted == 1
        assert [event.id for event in await self.events(log)] == ["new"]
        assert await log.store.attempt(AttemptId("atm_old")) is None
        assert await self.attempts(log) == []

    async def test_an_old_event_attempted_lately_is_kept(self, log: LogHarness) -> None:
        lately = log.moment(0) + timedelta(days=1)
        late = an_attempt("atm_2", attempt_number=2, time=lately)
        await log.record(an_event(), [an_attempt(), late])

        assert await log.store.delete_before(lately, limit=10) == 0
        assert len(await self.attempts(log)) == 2
        assert await log.store.delete_before(lately + log.tick, limit=10) == 1

    async def test_an_old_event_with_a_waiting_task_is_kept(self, log: LogHarness) -> None:
        if log.owe is None:
            pytest.skip("its tasks lie in another store")
        await log.record(an_event("owed"), [an_attempt("atm_1", event_id="owed")])
        await log.owe(an_event("owed"))
        await log.record(an_event("done"), [])

        deleted = await log.store.delete_before(START + timedelta(days=1), limit=10)

        assert deleted == 1
        assert [event.id for event in await self.events(log)] == ["owed"]
        assert len(await self.attempts(log)) == 1

    async def test_deleting_stops_at_the_limit_and_starts_with_the_oldest(self, log: LogHarness) -> None:
        for number in range(250):
            await log.record(an_event(f"evt_{number}", time=log.moment(-number)), [])
        late = an_attempt(event_id="evt_249", time=log.moment(1))
        await log.record(an_event("evt_249", time=log.moment(-249)), [late])

        first = await log.store.delete_before(log.moment(1), limit=220)
        left = {event.id for event in await self.events(log)}
        second = await log.store.delete_before(log.moment(1), limit=220)

        assert (first, second) == (220, 29)
        assert left == {"evt_249", *(f"evt_{number}" for number in range(29))}

    async def test_an_event_of_the_same_id_of_another_tenant_is_not_deleted_with_it(self, log: LogHarness) -> None:
        await log.record(an_event(), [an_attempt("mine")])
        theirs = an_event(tenant_id=OTHER, time=START + timedelta(days=2))
        await log.record(theirs, [an_attempt("theirs", tenant_id=OTHER, time=START + timedelta(days=2))])

        deleted = await log.store.delete_before(START + timedelta(days=1), limit=10)

        assert deleted == 1
        assert await self.events(log) == [log.kept_event(theirs)]
        assert [logged.attempt.id for logged in await self.attempts(log)] == ["theirs"]

    # --- steps

    def window(self, log: LogHarness, bounds: Mapping[str, int]) -> TimeWindow:
        return TimeWindow(**{bound: log.moment(number) for bound, number in bounds.items()})

    async def events(self, log: LogHarness, *, direction: Direction = "asc", **conditions: Any) -> list[Event]:
        page = await log.store.events(EventQuery(page=PageRequest(limit=100, direction=direction), **conditions))
        return page.items

    async def attempts(self, log: LogHarness, **conditions: Any) -> list[LoggedAttempt]:
        page = await log.store.attempts(AttemptQuery(page=FIRST_PAGE, **conditions))
        return page.items


def event_position(event: Event) -> Position:
    return Position(event.time, event.id)


def attempt_position(logged: LoggedAttempt) -> Position:
    return Position(logged.attempt.time, logged.attempt.id)


def check_walk(
    there: Sequence[Sequence[Event | LoggedAttempt]],
    back: Sequence[Sequence[Event | LoggedAttempt]],
    expected: Sequence[str],
    limit: int,
) -> None:
    """Each row was met once on the way there and once on the way back, in order, on pages within the limit."""
    for pages in (there, back):
        ids = [row.id if isinstance(row, Event) else row.attempt.id for page in pages for row in page]
        assert ids == expected
        assert max(map(len, pages)) <= limit
        assert all(page for page in pages)
