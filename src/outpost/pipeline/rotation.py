"""Making way for others by going to the end of the queue.

    broker ──lends──▶ lane ──▶ end of the queue ──▶ … ──▶ broker lends it again

What comes next may be for a destination that can deliver. If it is for the same one, it goes round too, and so on for
as long as that hangs: so this has a pace, which bounds what it costs, and what it does to others is only to make them
wait for some seconds.
"""

import logging
from collections.abc import Iterator, Sequence

from outpost.domain.errors import Unavailable
from outpost.pipeline.lanes import Lanes
from outpost.pipeline.ledger import message_of
from outpost.ports.ledger import LeasedTask
from outpost.ports.queue import Message, Queue

_logger = logging.getLogger("outpost.delivery")

_TASKS_PER_SECOND = 500
_BYTES_PER_SECOND = 8 * 1024 * 1024
_TASKS_AT_ONCE = 100
_BYTES_AT_ONCE = 1024 * 1024
"""Of which the broker confirms in good time that it has stored them."""


class Rotation:
    """Sends tasks of lanes to the end of the queue they came from."""

    def __init__(self, *, lanes: Lanes, deliveries: Queue) -> None:
        self._lanes = lanes
        self._deliveries = deliveries
        self._next_at = 0.0

    def may_turn(self, now: float) -> bool:
        """Say whether enough time has passed for all that was sent so far."""
        return now >= self._next_at

    async def turn(self, going: Sequence[LeasedTask], now: float) -> None:
        """Send tasks that were taken out of their lanes.

        Raises:
            Unavailable: Those that were not sent are in their lanes again.
        """
        left = list(going)
        size = sum([len(message_of(leased).body) for leased in going])
        self._next_at = now + max(len(going) / _TASKS_PER_SECOND, size / _BYTES_PER_SECOND)
        try:
            for part in _parts([message_of(leased) for leased in going]):
                await self._deliveries.send_back(part)
                del left[: len(part)]
        except Unavailable:
            self._lanes.add(left)
            raise
        fields = {"count": len(going), "bytes": size}
        _logger.info("deliveries of slow destinations sent to the end of the queue", extra={"fields": fields})


def _parts(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    part: list[Message] = []
    size = 0
    for message in messages:
        if part and (len(part) >= _TASKS_AT_ONCE or size + len(message.body) > _BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(message)
        size += len(message.body)
    if part:
        yield part
