"""Receiving from a queue at RabbitMQ."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from outpost.clients.amqp import AmqpOptions, Channel, Connection
from outpost.ports.queue import Message
from outpost.queues.rabbitmq_link import Link

_MOST_PREFETCH = 0xFFFF


class Receiver:
    """One connection with one consumer, which the broker pushes messages to.

    A receipt is the broker's delivery tag plus `_base`, which is not less than any receipt of earlier connections. So a
    receipt of a lost connection turns into a tag below 1, which settles nothing.
    """

    def __init__(
        self,
        options: AmqpOptions,
        queue: str,
        *,
        prefetch: int,
        ensure: Callable[[Connection], Awaitable[None]] | None = None,
    ) -> None:
        """Args:
        ensure: Makes sure, whenever a connection was opened, that the queue is as it should be.
        """
        self._queue = queue
        self._ensure = ensure
        self._prefetch = min(max(prefetch, 1), _MOST_PREFETCH)  # for the broker, 0 means no limit
        self._channel: Channel | None = None
        self._base = 0
        self._last = 0
        self._arrived: list[Message] = []
        self._waiting: asyncio.Future[None] | None = None
        self._link = Link(options, prepare=self._prepare, down=self._down)

    @property
    def trouble(self) -> str | None:
        return self._link.trouble

    async def receive(self) -> Sequence[Message]:
        self._link.check()
        while not self._arrived:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
            self._link.check()
        arrived, self._arrived = self._arrived, []
        return arrived

    def ack(self, messages: Sequence[Message]) -> None:
        if self._channel is not None:
            base = self._base
            self._channel.ack([message.receipt - base for message in messages])

    def return_(self, message: Message) -> None:
        if self._channel is not None:
            self._channel.nack(message.receipt - self._base)

    def reject(self, message: Message) -> None:
        # From RabbitMQ 4.3 on only this counts toward the delivery limit; on older ones both do.
        if self._channel is not None:
            self._channel.reject(message.receipt - self._base)

    def refuse(self, message: Message) -> None:
        if self._channel is not None:
            self._channel.reject(message.receipt - self._base, requeue=False)

    async def close(self) -> None:
        await self._link.stop()

    async def _prepare(self, connection: Connection) -> Channel:
        if self._ensure is not None:
            await self._ensure(connection)
        channel = self._channel = await connection.channel()
        await channel.qos(self._prefetch)
        await channel.consume(self._queue, self._take, self._cancelled)
        return channel

    def _take(self, tag: int, redelivered: bool, body: bytes) -> None:
        self._last = receipt = self._base + tag
        self._arrived.append(Message(body, redelivered, receipt))
        self._wake()

    def _cancelled(self) -> None:
        self._link.renew("the broker ended the consumer: the queue was deleted, or moves to another node")

    def _down(self) -> None:
        self._channel = None
        self._base = self._last
        self._arrived = []  # they will come again
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
