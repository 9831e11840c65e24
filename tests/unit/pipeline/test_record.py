"""Where attempts go once they were made."""

import logging

import msgspec
import pytest

from outpost.conformance.ledger import a_settlement, an_acceptance
from outpost.domain.delivery import DeliveryTask, DropReason
from outpost.domain.errors import RecordRejected, Unavailable
from outpost.pipeline.messages import read_entry
from outpost.pipeline.record import DirectRecorder, QueueRecorder, entries
from outpost.ports.ledger import LeasedTask, Settlement
from outpost.stores.log.memory import MemoryLogWriter
from tests.support.builders import ONE, a_destination
from tests.support.memory_road import MemoryRoad
from tests.support.original_messages import entry_fields


@pytest.fixture
def road() -> MemoryRoad:
    return MemoryRoad()


def settlement(event_id: str = "evt_1", *, shown: bool = True) -> Settlement:
    leased = LeasedTask(DeliveryTask(event=an_acceptance(event_id).event, destination_id=ONE), 1)
    destination = a_destination(credentials={"secret": "whsec_1"}, delivery_metadata={"x-key": "hidden"})
    return msgspec.structs.replace(a_settlement(leased), destination=destination if shown else None)


def dropped() -> Settlement:
    return Settlement(leased=settlement().leased, dropped=DropReason.DESTINATION_DELETED)


async def test_attempts_go_into_the_log_with_their_events(road: MemoryRoad) -> None:
    await DirectRecorder(road.watched_writer).record([settlement("evt_1"), settlement("evt_2")])

    assert [attempt.event_id for attempt in road.attempts] == ["evt_1", "evt_2"]
    assert len(road.memory.events) == 2


async def test_an_attempt_that_no_log_will_hold_is_told_to_people_and_keeps_out_no_other(
    road: MemoryRoad, caplog: pytest.LogCaptureFixture
) -> None:
    """FIX-12."""

    class Refusing(MemoryLogWriter):
        async def insert_many(self, entries):  # pyright: ignore[reportMissingParameterType]
            await super().insert_many(entries[1:])
            return [RecordRejected("attempt atm_1", "a NUL"), *[None] * (len(entries) - 1)]

    with caplog.at_level(logging.ERROR):
        await DirectRecorder(Refusing(road.memory)).record([settlement("evt_1"), settlement("evt_2")])

    assert [attempt.event_id for attempt in road.attempts] == ["evt_2"]
    (record,) = caplog.records
    assert "atm_1" in vars(record)["fields"]["error"]


async def test_attempts_go_to_the_processes_that_log_as_the_original_reads_them(road: MemoryRoad) -> None:
    await QueueRecorder(road.watched_queue).record([settlement("evt_1"), settlement("evt_2", shown=False)])

    first, second = road.broker.waiting
    assert read_entry(first) == entries([settlement("evt_1")])[0]
    assert entry_fields(first)["destination"]["id"] == ONE
    assert entry_fields(second).keys() == {"event", "attempt"}


async def test_nothing_secret_goes_into_the_queue(road: MemoryRoad) -> None:
    """FIX-21."""
    await QueueRecorder(road.watched_queue).record([settlement()])

    (body,) = road.broker.waiting
    assert b"whsec_1" not in body
    assert b"hidden" not in body


async def test_what_was_dropped_leaves_nothing(road: MemoryRoad) -> None:
    ends = [dropped(), settlement(), dropped()]

    await QueueRecorder(road.watched_queue).record(ends)
    await DirectRecorder(road.watched_writer).record(ends)

    assert len(road.broker.waiting) == len(road.attempts) == 1


async def test_a_server_that_is_away_is_told_to_the_caller(road: MemoryRoad) -> None:
    road.steps.fail("queue.send_many")
    road.steps.fail("log.insert_many")

    for recorder in (QueueRecorder(road.watched_queue), DirectRecorder(road.watched_writer)):
        with pytest.raises(Unavailable):
            await recorder.record([settlement()])
