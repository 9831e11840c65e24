"""Receiving from a queue at RabbitMQ.

A quorum queue counts how often each message comes back, and gives up one that does so too often. Older brokers count a
lost connection like a refusal, so a few crashes would cost every message that was lent. What has come back several
times is therefore sent anew, which begins another count, and acknowledged after that.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

from outpost.clients.amqp import AmqpOptions, Channel, Connection
from outpost.domain.errors import QueueUnavailable
from outpost.ports.queue import Message
from outpost.queues.rabbitmq_link import Link
from outpost.queues.rabbitmq_prefetch import Prefetch

_logger = logging.getLogger(__name__)

_REFUSED_FOR_GOOD = 1
"""A message that is refused after it has come back so often goes to the dead letters; else it comes back again."""
_WORN = 2
"""A message that has come back so often is sent anew. More than the above, or a refused one would never end; and well
below the broker's limit, for between coming back and being sent anew the process may die again."""


class RabbitMQInbox:
    """`Inbox` at RabbitMQ, and the receiving side of a queue of Outpost's own: one connection with one consumer, which
    the broker pushes messages to. A queue that is missing is waited for; messages of any type of queue are taken.

    A receipt is the broker's delivery tag plus `_base`, which is not less than any receipt of earlier connections. So a
    receipt of a lost connection turns into a tag below 1, which settles nothing.
    """

    def __init__(
        self,
        options: AmqpOptions,
        queue: str,
        *,
        prefetch: Prefetch,
        ensure: Callable[[Connection], Awaitable[None]] | None = None,
        send_anew: Callable[[Sequence[bytes]], Awaitable[None]] | None = None,
    ) -> None:
        """Describe a queue; nothing is opened.

        Args:
            prefetch: Of this connection alone.
            ensure: Makes sure, whenever a connection was opened, that the queue is as it should be.
            send_anew: Stores messages at the end of the queue; raises QueueUnavailable. None leaves counting to the
                broker.
        """
        self._queue = queue
        self._ensure = ensure
        self._prefetch = prefetch
        self._channel: Channel | None = None
        self._base = 0
        self._last = 0
        self._send_anew = send_anew
        self._arrived: list[Message] = []
        self._last_chance: set[int] = set()  # receipts of what is given up if it is refused once more
        self._worn: list[Message] = []
        self._renewing: asyncio.Task[None] | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._link = Link(options, prepare=self._prepare, down=self._down)

    @property
    def trouble(self) -> str | None:
        return self._link.trouble

    @property
    def is_connected(self) -> bool:
        return self.trouble is None

    async def receive(self) -> Sequence[Message]:
        self._link.check()
        while not self._arrived:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
            self._link.check()
        arrived, self._arrived = self._arrived, []
        return arrived

    def still_lent(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return those of `messages` whose connection was not lost."""
        return [message for message in messages if message.receipt > self._base]

    def ack(self, messages: Sequence[Message]) -> None:
        if self._channel is not None:
            base = self._base
            self._channel.ack([message.receipt - base for message in messages])
            for message in messages:
                self._settled(message)
            if self._last_chance:
                self._last_chance.difference_update([message.receipt for message in messages])

    def return_(self, message: Message) -> None:
        if self._channel is not None:
            self._channel.nack(message.receipt - self._base)
            self._settled(message)

    def reject(self, message: Message) -> None:
        # From RabbitMQ 4.3 on only this counts toward the delivery limit; on older ones both do.
        if self._channel is not None:
            again = message.receipt not in self._last_chance
            self._channel.reject(message.receipt - self._base, requeue=again)
            self._settled(message)

    def refuse(self, message: Message) -> None:
        if self._channel is not None:
            self._channel.reject(message.receipt - self._base, requeue=False)
            self._settled(message)

    def _settled(self, message: Message) -> None:
        if message.receipt > self._base:
            self._prefetch.settled(len(message.body))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._renewing is not None:
            await asyncio.wait([self._renewing])
        await self._link.stop()

    async def _prepare(self, connection: Connection) -> Channel:
        if self._ensure is not None:
            await self._ensure(connection)
        channel = self._channel = await connection.channel()
        await channel.qos(self._prefetch.count)
        await channel.consume(self._queue, self._take, self._cancelled)
        return channel

    def _take(self, tag: int, returns: int, body: bytes) -> None:
        self._last = receipt = self._base + tag
        message = Message(body, returns > 0, receipt)
        if self._prefetch.lent(len(body)):
            self._link.renew(f"the size of messages calls for {self._prefetch.count} at a time")
            return
        if self._send_anew is None:
            self._lend([message])
            return
        if returns >= _WORN:
            self._worn.append(message)
            if self._renewing is None:
                self._renewing = asyncio.create_task(self._renew(self._send_anew))
            return
        if returns >= _REFUSED_FOR_GOOD:
            self._last_chance.add(receipt)
        self._lend([message])

    def _lend(self, messages: Sequence[Message]) -> None:
        self._arrived.extend(messages)
        self._wake()

    async def _renew(self, send_anew: Callable[[Sequence[bytes]], Awaitable[None]]) -> None:
        """Send anew what is worn, and acknowledge it; what cannot be sent is lent as it is."""
        try:
            while self._worn:
                worn, self._worn = self._worn, []
                base = self._base
                try:
                    await send_anew([message.body for message in worn])
                except QueueUnavailable:
                    if base == self._base:  # else they will come again
                        self._lend(worn)
                else:
                    self.ack(worn)
                    _logger.info("messages that came back too often sent anew", extra={"fields": {"count": len(worn)}})
        finally:
            self._renewing = None

    def _cancelled(self) -> None:
        self._link.renew("the broker ended the consumer: the queue was deleted, or moves to another node")

    def _down(self) -> None:
        self._channel = None
        self._base = self._last
        self._prefetch.nothing_held()
        self._arrived = []  # they will come again
        self._worn = []
        self._last_chance = set()
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
