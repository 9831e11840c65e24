"""A queue at RabbitMQ, over a connection for each direction."""

import asyncio
import dataclasses
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from outpost.clients.amqp import AmqpOptions, Connection
from outpost.ports.queue import Message
from outpost.queues.rabbitmq_inbox import RabbitMQInbox
from outpost.queues.rabbitmq_prefetch import Prefetch
from outpost.queues.rabbitmq_sending import Sender
from outpost.queues.rabbitmq_topology import Topology, ensure


class RabbitMQQueue:
    """`Queue` at RabbitMQ 3.10 or newer. Who only sends opens no connection for receiving."""

    def __init__(self, options: AmqpOptions, topology: Topology, *, auto_provision: bool, prefetch: int) -> None:
        """Describe a queue; nothing is opened.

        Args:
            options: Its `name` is shown by the broker, with the direction added.
            auto_provision: Create what is missing whenever a connection is opened, and not only look.
            prefetch: Most messages that are lent and not settled, fewer if they are large; at most 65,535.
        """
        self._topology = topology
        self._prefetch = Prefetch(prefetch)
        self._create = auto_provision
        self._sender = Sender(_named(options, "send"), topology, create=auto_provision)
        self._receiver = RabbitMQInbox(
            _named(options, "receive"),
            topology.queue,
            prefetch=self._prefetch,
            ensure=self._ensure,
            send_anew=self._sender.send_many,
        )

    @property
    def trouble(self) -> str | None:
        return self._receiver.trouble or self._sender.trouble

    @property
    def is_connected(self) -> bool:
        return self.trouble is None

    @property
    def window(self) -> int:
        return self._prefetch.count

    async def send_many(self, bodies: Sequence[bytes]) -> None:
        await self._sender.send_many(bodies)

    async def receive(self) -> Sequence[Message]:
        return await self._receiver.receive()

    def ack(self, messages: Sequence[Message]) -> None:
        self._receiver.ack(messages)

    def return_(self, message: Message) -> None:
        self._receiver.return_(message)

    async def send_back(self, messages: Sequence[Message]) -> None:
        lent = self._receiver.still_lent(messages)
        await self._sender.send_many([message.body for message in lent])
        self._receiver.ack(lent)

    def reject(self, message: Message) -> None:
        self._receiver.reject(message)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        async with asyncio.TaskGroup() as closing:
            closing.create_task(self._receiver.__aexit__(kind, error, traceback))
            closing.create_task(self._sender.close())

    async def _ensure(self, connection: Connection) -> None:
        self._sender.begin()  # now, for what came back too often must be sent anew before the process dies once more
        await ensure(connection, self._topology, create=self._create)


def _named(options: AmqpOptions, direction: str) -> AmqpOptions:
    return dataclasses.replace(options, name=f"{options.name or 'outpost'} {direction}")
