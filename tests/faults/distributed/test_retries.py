"""Retries come in the number and at the time that was planned, also when all fall due at once."""

import itertools
from collections.abc import Collection
from pathlib import Path

from tests.faults.distributed.no_loss import told
from tests.support.deployment import Servers, deployment
from tests.support.load import Load
from tests.support.receiver import Receiver

_EVENTS = 100
_SCHEDULE = [1.0, 2.0, 4.0]
_LATE_SECONDS = 1.0


async def test_every_event_is_attempted_four_times_on_time(
    servers: Servers, tmp_path: Path, receiver: Receiver
) -> None:
    """FIX-1, FIX-3."""
    receiver.answer("/failing", 500)
    async with deployment(servers, tmp_path, RETRY_SCHEDULE="1,2,4") as outpost:
        await outpost.start()
        await outpost.process.destination("acme", receiver.url("/failing"))
        async with Load(outpost.process, per_second=1000) as load:
            await load.until_accepted(_EVENTS)
        # What was under way when the load ended may have been accepted too, so each is counted by itself.
        arrivals = await _arrivals(receiver, load.accepted, each=4)
        numbers: dict[str, list[int]] = {}
        while any(len(numbers.get(event_id, ())) < 4 for event_id in load.accepted):
            numbers = {event_id: [] for event_id in load.accepted}
            for event_id, number, _ in await outpost.attempts():
                numbers.setdefault(event_id, []).append(number)

        pauses = [[after - before for before, after in itertools.pairwise(times)] for times in arrivals.values()]
        late = max(pause - wanted for found in pauses for pause, wanted in zip(found, _SCHEDULE, strict=True))
        told("retries", most_late=late)
        assert {tuple(numbers[event_id]) for event_id in load.accepted} == {(1, 2, 3, 4)}
        assert all(pause >= wanted for found in pauses for pause, wanted in zip(found, _SCHEDULE, strict=True))
        assert late < _LATE_SECONDS
        assert await outpost.dead_letters() == 0


async def _arrivals(receiver: Receiver, events: Collection[str], *, each: int) -> dict[str, list[float]]:
    """Wait until every event has arrived so often; return when each did."""
    while True:
        requests = receiver.requests("/failing")
        arrivals: dict[str, list[float]] = {event_id: [] for event_id in events}
        for request in requests:
            if request.event_id in arrivals:
                arrivals[request.event_id].append(request.received_at)
        if all(len(times) >= each for times in arrivals.values()):
            return arrivals
        await receiver.until(len(requests) + 1, "/failing")
