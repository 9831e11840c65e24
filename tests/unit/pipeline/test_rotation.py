"""Going to the end of the queue."""

from collections.abc import Sequence

import msgspec
import pytest

from outpost.conformance.builders import START, an_event
from outpost.domain.errors import QueueUnavailable
from outpost.domain.identifiers import DestinationId, EventId
from outpost.pipeline.lanes import LaneLimits, Lanes
from outpost.pipeline.messages import read_task, write_event, write_task
from outpost.pipeline.rotation import Rotation
from outpost.ports.ledger import LeasedTask, Settlement
from outpost.ports.queue import Message
from outpost.queues.memory import MemoryBroker, MemoryQueue
from tests.support.clock import SetClock


class ShortQueue(MemoryQueue):
    """A queue whose broker goes away after a number of calls.

    Attributes:
        sent: How many messages went with each call.
    """

    def __init__(self, broker: MemoryBroker, calls: int) -> None:
        super().__init__(broker)
        self.sent: list[int] = []
        self._calls = calls

    async def send_back(self, messages: Sequence[Message]) -> None:
        if len(self.sent) == self._calls:
            raise QueueUnavailable("memory", "away")
        self.sent.append(len(messages))
        await super().send_back(messages)


async def _never(leased: LeasedTask) -> Settlement:
    raise AssertionError


async def _nothing(settlements: Sequence[Settlement]) -> None: ...


async def lent(queue: MemoryQueue, count: int, size: int) -> Sequence[LeasedTask]:
    data = b'"%s"' % (b"x" * size)
    for number in range(count):
        event = msgspec.structs.replace(an_event(), id=EventId(f"evt_{number}"), data=data)
        await queue.send_many([write_task(write_event(event), DestinationId("des_1"))])
    return [LeasedTask(read_task(message.body), message) for message in await queue.receive()]


def some_lanes() -> Lanes:
    return Lanes(queue=None, deliver=_never, settle=_nothing, clock=SetClock(START), limits=LaneLimits())


@pytest.mark.parametrize(("size", "most"), [(10, 100), (150_000, 6)], ids=["many", "large"])
async def test_no_more_goes_at_once_than_is_confirmed_in_good_time(size: int, most: int) -> None:
    broker = MemoryBroker()
    queue = ShortQueue(broker, calls=1_000)
    going = await lent(queue, 250, size)

    await Rotation(lanes=some_lanes(), deliveries=queue).turn(going, 0.0)

    assert sum(queue.sent) == len(broker.waiting) == 250
    assert max(queue.sent) == most


async def test_what_was_not_sent_when_the_broker_went_away_is_in_its_lane_again() -> None:
    broker = MemoryBroker()
    queue = ShortQueue(broker, calls=1)
    lanes = some_lanes()
    going = await lent(queue, 250, 10)

    with pytest.raises(QueueUnavailable):
        await Rotation(lanes=lanes, deliveries=queue).turn(going, 0.0)

    assert len(broker.waiting) == 100
    assert lanes.held() == 150


@pytest.mark.parametrize(("size", "count"), [(10, 500), (1024 * 1024, 8)], ids=["many", "large"])
async def test_the_next_ones_go_when_the_time_for_these_is_over(size: int, count: int) -> None:
    queue = ShortQueue(MemoryBroker(), calls=1_000)
    rotation = Rotation(lanes=some_lanes(), deliveries=queue)
    assert rotation.may_turn(0.0)

    await rotation.turn(await lent(queue, count, size), 0.0)

    assert not rotation.may_turn(0.9)
    assert rotation.may_turn(1.1)
