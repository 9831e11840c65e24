"""A queue in this process's memory, for tests and trials."""

import asyncio
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import msgspec

from outpost.domain.errors import QueueUnavailable
from outpost.ports.queue import Message


class _Stored(msgspec.Struct):
    body: bytes
    redelivered: bool = False
    rejections: int = 0


class MemoryBroker:
    """Holds the messages of one queue; every `MemoryQueue` on it is a process of its own.

    Attributes:
        dead_letters: Bodies of what was rejected too often, or refused.
        trouble: Why it cannot be reached; None if it can.
    """

    def __init__(self, *, delivery_limit: int = 5) -> None:
        """Make an empty queue.

        Args:
            delivery_limit: How often a message may come again after it was rejected.
        """
        self.dead_letters: list[bytes] = []
        self.trouble: str | None = None
        self._delivery_limit = delivery_limit
        self._waiting: deque[_Stored] = deque()
        self._change = asyncio.Event()

    @property
    def waiting(self) -> Sequence[bytes]:
        """Return the bodies that nobody holds."""
        return [stored.body for stored in self._waiting]

    def go_away(self, why: str) -> None:
        self.trouble = why

    def come_back(self) -> None:
        self.trouble = None
        self.tell()

    def add(self, bodies: Sequence[bytes]) -> None:
        self._waiting.extend(map(_Stored, bodies))
        self.tell()

    def lend(self, limit: int) -> list[_Stored]:
        return [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]

    def take_back(self, stored: _Stored, *, rejected: bool = False) -> None:
        stored.redelivered = True
        stored.rejections += rejected
        if stored.rejections > self._delivery_limit:
            self.dead_letters.append(stored.body)
        else:
            self._waiting.appendleft(stored)
        self.tell()

    async def change(self) -> None:
        """Wait until there may be something to receive."""
        await self._change.wait()

    def tell(self) -> None:
        change, self._change = self._change, asyncio.Event()
        change.set()


class MemoryQueue:
    """`Queue` and `Inbox` on a `MemoryBroker`."""

    def __init__(self, broker: MemoryBroker, *, prefetch: int = 1000) -> None:
        self._broker = broker
        self._prefetch = prefetch
        self._lent: dict[int, _Stored] = {}
        self._receipts = 0

    @property
    def trouble(self) -> str | None:
        return self._broker.trouble

    @property
    def is_connected(self) -> bool:
        return self.trouble is None

    @property
    def window(self) -> int:
        return self._prefetch

    async def send_many(self, bodies: Sequence[bytes]) -> None:
        if self.trouble is not None:
            raise QueueUnavailable("memory", self.trouble)
        self._broker.add(bodies)

    async def receive(self) -> Sequence[Message]:
        while True:
            if self.is_connected and (lent := self._broker.lend(self._prefetch - len(self._lent))):
                return [self._message(stored) for stored in lent]
            await self._broker.change()

    def ack(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._lent.pop(message.receipt, None)
        self._broker.tell()

    def return_(self, message: Message) -> None:
        if stored := self._lent.pop(message.receipt, None):
            self._broker.take_back(stored)

    async def send_back(self, messages: Sequence[Message]) -> None:
        lent = [message for message in messages if message.receipt in self._lent]
        await self.send_many([message.body for message in lent])
        self.ack(lent)

    def reject(self, message: Message) -> None:
        if stored := self._lent.pop(message.receipt, None):
            self._broker.take_back(stored, rejected=True)

    def refuse(self, message: Message) -> None:
        if stored := self._lent.pop(message.receipt, None):
            self._broker.dead_letters.append(stored.body)

    async def lose_connection(self) -> None:
        """Give everything back, as a broker does whose client is gone."""
        while self._lent:
            self._broker.take_back(self._lent.popitem()[1])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.lose_connection()

    def _message(self, stored: _Stored) -> Message:
        self._receipts += 1
        self._lent[self._receipts] = stored
        return Message(stored.body, stored.redelivered, self._receipts)
