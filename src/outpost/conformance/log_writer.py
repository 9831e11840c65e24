"""What every driver of the log writer must do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import pytest

from outpost.conformance.builders import START, TENANT, TWO, an_attempt, an_event, whole_ticks
from outpost.domain.attempt import Attempt, AttemptStatus
from outpost.domain.event import Event
from outpost.domain.identifiers import AttemptId, EventId, TenantId
from outpost.ports.log_store import AttemptQuery, EventQuery, LoggedAttempt, LogStore
from outpost.ports.log_writer import LogWriter
from outpost.ports.paging import PageRequest

ALL = PageRequest(limit=1000, direction="asc")
OTHER = TenantId("umbrella")


@dataclass
class LogWriterHarness:
    """A driver under test, and a store that reads what it writes; both empty at first.

    Attributes:
        tick: What the store keeps of an instant: whole multiples of this.
    """

    writer: LogWriter
    store: LogStore
    tick: timedelta = timedelta(microseconds=1)

    def kept_event(self, event: Event) -> Event:
        """Return what the store keeps of an event."""
        return msgspec.structs.replace(event, time=whole_ticks(event.time, self.tick))

    def kept(self, entry: LoggedAttempt) -> LoggedAttempt:
        """Return what the store keeps of an entry."""
        attempt = msgspec.structs.replace(entry.attempt, time=whole_ticks(entry.attempt.time, self.tick))
        return LoggedAttempt(attempt=attempt, event=self.kept_event(entry.event))


class LogWriterConformance:
    """Bind it by a fixture `log` that yields a LogWriterHarness."""

    @pytest.mark.parametrize(
        "event",
        [
            an_event(),
            an_event(eligible_for_retry=False, metadata={}, topic="", matched_destination_ids=()),
            an_event("id with 'quotes' and ü", metadata={"<&>": "\u2028 \x01 é"}, time=START.replace(microsecond=0)),
            an_event(matched_destination_ids=(TWO, 'a "quoted", one\\', "", "{}", "NULL"), data=b' {"a" : "\\u0000"} '),
        ],
    )
    async def test_an_event_is_read_back_as_it_was_written(self, log: LogWriterHarness, event: Event) -> None:
        await log.writer.insert_many([an_entry(event, event_id=event.id)])

        assert await log.store.event(event.id) == log.kept_event(event)

    @pytest.mark.parametrize(
        "attempt",
        [
            an_attempt(),
            an_attempt(status=AttemptStatus.FAILED, code="", response_data=None, attempt_number=17, manual=True),
            an_attempt(destination_type="rabbitmq", response_data=b'{"body":"\xe2\x80\xa8"}'),
        ],
    )
    async def test_an_attempt_is_read_back_as_it_was_written_with_its_event(
        self, log: LogWriterHarness, attempt: Attempt
    ) -> None:
        entry = LoggedAttempt(attempt=attempt, event=an_event())

        outcomes = await log.writer.insert_many([entry])

        assert list(outcomes) == [None]
        assert await log.store.attempt(attempt.id) == log.kept(entry)

    async def test_attempts_of_one_event_are_written_with_one_event(self, log: LogWriterHarness) -> None:
        entries = [an_entry(an_event(), attempt_id=f"atm_{number}", attempt_number=number) for number in range(1, 6)]

        await log.writer.insert_many(entries[:3])
        await log.writer.insert_many(entries[3:])

        assert await self.events(log) == [log.kept_event(an_event())]
        assert await self.attempts(log) == [log.kept(entry) for entry in entries]

    async def test_a_second_attempt_alone_brings_its_event(self, log: LogWriterHarness) -> None:
        await log.writer.insert_many([an_entry(an_event(), attempt_number=2)])

        assert await self.events(log) == [log.kept_event(an_event())]

    async def test_writing_again_changes_nothing(self, log: LogWriterHarness) -> None:
        first = an_entry(an_event())
        second = an_entry(an_event("evt_2"), attempt_id="atm_2", event_id="evt_2")
        await log.writer.insert_many([first])

        later = an_entry(an_event(data=b'{"later":true}'), status=AttemptStatus.FAILED)
        outcomes = await log.writer.insert_many([later, second])

        assert list(outcomes) == [None, None]
        assert await self.attempts(log) == [log.kept(first), log.kept(second)]
        assert await self.events(log) == [log.kept_event(first.event), log.kept_event(second.event)]

    async def test_an_attempt_that_is_twice_in_a_batch_is_written_once(self, log: LogWriterHarness) -> None:
        await log.writer.insert_many([an_entry(an_event())] * 2)

        assert await self.attempts(log) == [log.kept(an_entry(an_event()))]

    async def test_two_tenants_may_use_one_event_id(self, log: LogWriterHarness) -> None:
        theirs = an_event(tenant_id=OTHER, time=START.replace(microsecond=0))
        await log.writer.insert_many(
            [an_entry(an_event()), an_entry(theirs, attempt_id="atm_2", tenant_id=OTHER)],
        )

        assert await log.store.event(EventId("evt_1"), tenant_id=TENANT) == log.kept_event(an_event())
        assert await log.store.event(EventId("evt_1"), tenant_id=OTHER) == theirs
        assert await log.store.attempt(AttemptId("atm_2"), tenant_id=TENANT) is None

    async def test_nothing_to_write_is_written(self, log: LogWriterHarness) -> None:
        assert list(await log.writer.insert_many([])) == []

    # --- steps

    async def events(self, log: LogWriterHarness) -> Sequence[Event]:
        return (await log.store.events(EventQuery(page=ALL))).items

    async def attempts(self, log: LogWriterHarness) -> Sequence[LoggedAttempt]:
        return (await log.store.attempts(AttemptQuery(page=ALL))).items


def an_entry(event: Event, *, attempt_id: str = "atm_1", **changes: object) -> LoggedAttempt:
    return LoggedAttempt(attempt=an_attempt(attempt_id, **changes), event=event)
