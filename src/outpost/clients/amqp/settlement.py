"""Which deliveries are done with, and the fewest acknowledgements that say so.

An acknowledgement with `multiple` covers every delivery up to its tag, so it may name a tag only when nothing below is
still open. The tag it names must itself be one that the broker has not heard of yet (RabbitMQ closes the channel
otherwise), though those below may be.

    settled and told up to here      told one by one
              │                          │
    1 2 3 4 5 6 │ 7 8 9 10 11 12 13      │
              floor    └─open─┘  └── ahead
"""

from collections.abc import Iterable


class Settlement:
    """Delivery tags of one channel, which the broker counts from 1."""

    __slots__ = ("_ahead", "_done", "_floor")

    def __init__(self) -> None:
        self._floor = 0
        self._ahead: set[int] = set()
        self._done: set[int] = set()  # acknowledged, and not told yet

    def done(self, tags: Iterable[int]) -> None:
        """Note deliveries to be acknowledged; those that are settled already are left as they are."""
        floor, ahead = self._floor, self._ahead
        self._done.update([tag for tag in tags if tag > floor and tag not in ahead])

    def told(self, tag: int) -> bool:
        """Note a delivery that the broker is told of otherwise; return False if it was settled before."""
        if tag <= self._floor or tag in self._ahead or tag in self._done:
            return False
        self._ahead.add(tag)
        return True

    def take(self) -> list[tuple[int, bool]]:
        """Return what to tell the broker now, as (tag, multiple), and count it as told."""
        done, ahead, floor = self._done, self._ahead, self._floor
        count = last = 0
        while True:
            tag = floor + 1
            if tag in done:
                done.remove(tag)
                last = tag
                count += 1
            elif tag in ahead:
                ahead.remove(tag)
            else:
                break
            floor = tag
        self._floor = floor
        told = [(last, count > 1)] if count else []
        if done:
            told += [(tag, False) for tag in done]
            ahead |= done
            self._done = set()
        return told
