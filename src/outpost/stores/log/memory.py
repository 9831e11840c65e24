"""Events and attempts in this process's memory, for tests and trials."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from outpost.domain.attempt import Attempt
from outpost.domain.errors import RecordRejected
from outpost.domain.event import Event
from outpost.domain.identifiers import AttemptId, DestinationId, EventId, TenantId
from outpost.ports.log_store import AttemptQuery, EventQuery, LoggedAttempt, TimeWindow
from outpost.ports.paging import Page, Position
from outpost.stores.memory_paging import cut_page


class MemoryLog:
    """The shelf that a ledger fills and `MemoryLogStore` reads.

    Attributes:
        events: By tenant and id; accepting the id again replaces the event.
        attempts: In the order in which they were made.
    """

    def __init__(self) -> None:
        self.events: dict[tuple[TenantId, EventId], Event] = {}
        self.attempts: list[Attempt] = []

    def remember_event(self, event: Event) -> None:
        self.events[event.tenant_id, event.id] = event

    def remember_attempt(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)

    def forget_event(self, event: Event) -> None:
        """Remove an event and its attempts."""
        self.events.pop((event.tenant_id, event.id), None)
        self.attempts = [attempt for attempt in self.attempts if _event_key(attempt) != (event.tenant_id, event.id)]


class MemoryLogWriter:
    """`LogWriter` into a `MemoryLog`."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    async def insert_many(self, entries: Sequence[LoggedAttempt]) -> Sequence[RecordRejected | None]:
        known = {(attempt.time, attempt.id) for attempt in self._log.attempts}
        for entry in entries:
            if _event_key(entry.attempt) not in self._log.events:
                self._log.remember_event(entry.event)
            if (entry.attempt.time, entry.attempt.id) not in known:
                known.add((entry.attempt.time, entry.attempt.id))
                self._log.remember_attempt(entry.attempt)
        return [None] * len(entries)


class MemoryLogStore:
    """`LogStore` over a `MemoryLog`.

    Args:
        has_tasks: Whether an event still has a task, waiting or leased; such events are never deleted.
    """

    def __init__(self, log: MemoryLog, *, has_tasks: Callable[[Event], bool] = lambda event: False) -> None:
        self._log = log
        self._has_tasks = has_tasks

    async def event(self, event_id: EventId, *, tenant_id: TenantId | None = None) -> Event | None:
        found = [
            event
            for event in self._log.events.values()
            if event.id == event_id and tenant_id in (None, event.tenant_id)
        ]
        return max(found, key=lambda event: event.time, default=None)

    async def events(self, query: EventQuery) -> Page[Event]:
        selected = [event for event in self._log.events.values() if _event_selected(event, query)]
        return cut_page(selected, query.page, lambda event: Position(event.time, event.id))

    async def attempt(self, attempt_id: AttemptId, *, tenant_id: TenantId | None = None) -> LoggedAttempt | None:
        for logged in self._logged():
            if logged.attempt.id == attempt_id and tenant_id in (None, logged.attempt.tenant_id):
                return logged
        return None

    async def attempts(self, query: AttemptQuery) -> Page[LoggedAttempt]:
        selected = [logged for logged in self._logged() if _attempt_selected(logged, query)]
        return cut_page(selected, query.page, lambda logged: Position(logged.attempt.time, logged.attempt.id))

    async def latest_attempt(
        self, event_id: EventId, destination_id: DestinationId, *, tenant_id: TenantId | None = None
    ) -> LoggedAttempt | None:
        found = [
            logged
            for logged in self._logged()
            if (logged.event.id, logged.attempt.destination_id) == (event_id, destination_id)
            and tenant_id in (None, logged.event.tenant_id)
        ]
        return max(found, key=lambda logged: (logged.attempt.attempt_number, logged.attempt.time), default=None)

    async def delete_before(self, instant: datetime, *, limit: int) -> int:
        recent = {_event_key(attempt) for attempt in self._log.attempts if attempt.time >= instant}
        old = sorted(
            (
                event
                for key, event in self._log.events.items()
                if event.time < instant and key not in recent and not self._has_tasks(event)
            ),
            key=lambda event: event.time,
        )
        for event in old[:limit]:
            self._log.forget_event(event)
        return len(old[:limit])

    def _logged(self) -> Iterator[LoggedAttempt]:
        for attempt in self._log.attempts:
            event = self._log.events.get(_event_key(attempt))
            if event is not None:
                yield LoggedAttempt(attempt=attempt, event=event)


def _event_key(attempt: Attempt) -> tuple[TenantId, EventId]:
    return attempt.tenant_id, attempt.event_id


def _event_selected(event: Event, query: EventQuery) -> bool:
    return (
        _any_of(event.id, query.ids)
        and _any_of(event.tenant_id, query.tenant_ids)
        and _any_of(event.topic, query.topics)
        and (query.destination_ids is None or not set(query.destination_ids).isdisjoint(event.matched_destination_ids))
        and _within(event.time, query.time)
    )


def _attempt_selected(logged: LoggedAttempt, query: AttemptQuery) -> bool:
    attempt = logged.attempt
    return (
        _any_of(attempt.tenant_id, query.tenant_ids)
        and _any_of(attempt.event_id, query.event_ids)
        and _any_of(attempt.destination_id, query.destination_ids)
        and _any_of(attempt.destination_type, query.destination_types)
        and _any_of(logged.event.topic, query.topics)
        and query.status in (None, attempt.status)
        and _within(attempt.time, query.time)
    )


def _any_of(value: str, wanted: Sequence[str] | None) -> bool:
    return wanted is None or value in wanted


def _within(instant: datetime, window: TimeWindow) -> bool:
    return (
        (window.gte is None or instant >= window.gte)
        and (window.lte is None or instant <= window.lte)
        and (window.gt is None or instant > window.gt)
        and (window.lt is None or instant < window.lt)
    )
