"""How many messages a connection may be lent at once: so many, and no more bytes of them than fit in memory.

The broker counts messages, not bytes. So when those that are held have become too large, the consumer begins anew with
a smaller number that fits their size, and once the messages have been small again for long, with the usual one.
"""

MOST_BYTES = 64 * 1024 * 1024
"""Of the messages held by one connection."""
_UNTIL_IT_GROWS = 10_000
"""Messages: what is held comes again when the number changes, so it does not change often."""
_LARGEST = 0xFFFF
_WEIGHT = 0.01


class Prefetch:
    """Counts what is held.

    Attributes:
        count: With which the next consumer begins.
    """

    def __init__(self, count: int, *, most_bytes: int | None = None, until_it_grows: int = _UNTIL_IT_GROWS) -> None:
        self._usual = min(max(count, 1), _LARGEST)  # for the broker, 0 means no limit
        self._most_bytes = most_bytes or MOST_BYTES
        self._until_it_grows = until_it_grows
        self.count = self._usual
        self._since = 0
        self._typical = 0.0
        self.nothing_held()

    def nothing_held(self) -> None:
        """Begin anew: what was held comes again."""
        self._held = self._bytes = 0

    def lent(self, size: int) -> bool:
        """Count a message of so many bytes; say whether the consumer must begin anew, because `count` has changed."""
        self._held += 1
        self._bytes += size
        self._since += 1
        self._typical += (size - self._typical) * _WEIGHT
        if self._bytes > self._most_bytes:
            return self._change(min(self.count, max(1, self._most_bytes * self._held // (2 * self._bytes))))
        if self._since >= self._until_it_grows and self._typical * self._usual * 2 < self._most_bytes:
            return self._change(self._usual)
        return False

    def settled(self, size: int) -> None:
        self._held -= 1
        self._bytes -= size

    def _change(self, count: int) -> bool:
        if count == self.count:
            return False
        self.count = count
        self._since = 0
        return True
