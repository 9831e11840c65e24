"""A queue at RabbitMQ that belongs to the operator, to be read and nothing else."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from outpost.clients.amqp import AmqpOptions
from outpost.ports.queue import Message
from outpost.queues.rabbitmq_prefetch import Prefetch
from outpost.queues.rabbitmq_receiving import Receiver


class RabbitMQInbox:
    """`Inbox` at RabbitMQ. A queue that is missing is waited for; messages of any type of queue are taken."""

    def __init__(self, options: AmqpOptions, queue: str, *, prefetch: int) -> None:
        """Describe a queue; nothing is opened.

        Args:
            prefetch: Most messages that are lent and not settled, fewer if they are large; at most 65,535.
        """
        self._receiver = Receiver(options, queue, prefetch=Prefetch(prefetch))

    @property
    def trouble(self) -> str | None:
        return self._receiver.trouble

    @property
    def is_connected(self) -> bool:
        return self.trouble is None

    async def receive(self) -> Sequence[Message]:
        return await self._receiver.receive()

    def ack(self, messages: Sequence[Message]) -> None:
        self._receiver.ack(messages)

    def return_(self, message: Message) -> None:
        self._receiver.return_(message)

    def refuse(self, message: Message) -> None:
        self._receiver.refuse(message)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._receiver.close()
