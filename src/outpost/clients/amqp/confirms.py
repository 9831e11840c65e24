"""Publications on one channel that the broker has not confirmed yet."""

import asyncio
import copy

from outpost.clients.amqp.errors import AmqpNacked, AmqpReturned, ProtocolError

Address = tuple[str, str]
"""Exchange and routing key."""


class Batch:
    """Publications that one caller waits for together."""

    __slots__ = ("address", "confirmed", "failure", "left")

    def __init__(self, address: Address, left: int, confirmed: "asyncio.Future[None]") -> None:
        self.address = address
        self.left = left
        self.confirmed = confirmed
        self.failure: Exception | None = None


class Confirms:
    """Counts publications as the broker does, from 1, and settles the future of a batch when the last has its answer.

    A nack, or a return, makes the whole batch fail. A return names an address and no publication, so every batch to
    this address that is unconfirmed fails.
    """

    __slots__ = ("_endpoint", "_last", "_lowest", "_pending")

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._last = 0
        self._lowest = 1  # the lowest tag without an answer, so that no range is ever walked twice
        self._pending: dict[int, Batch] = {}

    def expect(self, count: int, address: Address) -> "asyncio.Future[None]":
        """Return the future of the next `count` publications."""
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not count:
            confirmed.set_result(None)
            return confirmed
        first = self._last + 1
        self._last += count
        self._pending.update(dict.fromkeys(range(first, first + count), Batch(address, count, confirmed)))
        return confirmed

    def answered(self, tag: int, *, multiple: bool, stored: bool) -> None:
        """Take an ack (`stored`) or nack of the broker: for one tag, or for all up to it.

        Raises:
            ProtocolError: Nothing was published under this tag.
        """
        tag = self._last if multiple and not tag else tag
        if tag > self._last:
            raise ProtocolError("it confirms what was not published")
        pending, lowest = self._pending, self._lowest
        for each in range(lowest, tag + 1) if multiple else (tag,):
            if batch := pending.pop(each, None):
                self._count(batch, stored)
        while lowest <= self._last and lowest not in pending:
            lowest += 1
        self._lowest = lowest

    def returned(self, address: Address, reason: str) -> None:
        """Take a publication that the broker gives back because no queue takes it; its ack follows."""
        detail = f"no queue takes what is sent to exchange {address[0]!r} as {address[1]!r}: {reason}"
        failure = AmqpReturned(self._endpoint, detail)
        for batch in self._pending.values():
            if batch.address == address:
                batch.failure = failure

    def fail(self, error: Exception) -> None:
        """Let every batch that is unconfirmed fail: the channel is gone."""
        pending, self._pending = self._pending, {}
        for batch in pending.values():
            if not batch.confirmed.done():
                batch.confirmed.set_exception(copy.copy(error))

    def _count(self, batch: Batch, stored: bool) -> None:
        if not stored:
            batch.failure = AmqpNacked(self._endpoint, "the broker could not store what was sent")
        batch.left -= 1
        if batch.left or batch.confirmed.done():
            return
        if batch.failure is None:
            batch.confirmed.set_result(None)
        else:
            batch.confirmed.set_exception(copy.copy(batch.failure))
