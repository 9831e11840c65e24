"""Retries come in the number and at the time that was planned, also when all fall due at once."""

import itertools
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
        await receiver.until(4 * len(load.accepted), "/failing")
        arrivals: dict[str, list[float]] = {}
        for request in receiver.requests("/failing"):
            arrivals.setdefault(request.event_id, []).append(request.received_at)
        while len(attempts := await outpost.attempts()) < 4 * len(load.accepted):
            pass

        numbers = {event_id: [number for owner, number, _ in attempts if owner == event_id] for event_id in arrivals}
        pauses = [[after - before for before, after in itertools.pairwise(times)] for times in arrivals.values()]
        late = max(pause - wanted for found in pauses for pause, wanted in zip(found, _SCHEDULE, strict=True))
        told("retries", most_late=late)
        assert set(map(tuple, numbers.values())) == {(1, 2, 3, 4)}
        assert all(pause >= wanted for found in pauses for pause, wanted in zip(found, _SCHEDULE, strict=True))
        assert late < _LATE_SECONDS
        assert await outpost.dead_letters() == 0
