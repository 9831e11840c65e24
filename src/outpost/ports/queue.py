"""What carries work from one process to another: a queue at a broker."""

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

import msgspec


class Message(msgspec.Struct, gc=False):
    """A body as it was sent, lent to this process until it is settled.

    Attributes:
        redelivered: It was lent before, to this process or another, and came back. False proves nothing.
        receipt: What the driver knows it by; means nothing to anybody else.
    """

    body: bytes
    redelivered: bool
    receipt: int


class Queue(Protocol):
    """A durable queue, filled and emptied by any number of processes.

    Promises: a message that was sent is lent until somebody acknowledges it, or until it has been rejected so often
    that it goes to the dead-letter queue. It is lent to one process at a time. At most so many messages as the driver
    was told are lent to this process and not settled, so what is left waits at the broker and not in memory.

    Not promised: any order; that a message comes only once (it comes again when its sender was unsure, when a
    connection was lost before its acknowledgement arrived, or when a process died); that an acknowledgement has arrived
    when `ack` returns.

    Connections are opened when they are needed first, and again, for ever, when they are lost: within a second after
    the broker is back. Methods may be called together, but `receive` by one task at a time. Use it as a context; at its
    end, what was acknowledged is told to the broker, and what is lent and not settled is lent to others.
    """

    @property
    def trouble(self) -> str | None:
        """What keeps it from sending or receiving now, of that which it was asked to do so far; None if nothing."""
        ...

    @property
    def is_connected(self) -> bool:
        """Whether there is no trouble."""
        ...

    @property
    def window(self) -> int:
        """How many messages are lent to this process at most; fewer than the driver was told while they are large."""
        ...

    async def send_many(self, bodies: Sequence[bytes]) -> None:
        """Return when every one of `bodies` is stored durably.

        Waits a moment for a broker that is away, and then raises. Cancelling leaves open which of them were stored.

        Raises:
            QueueUnavailable: None, some or all of them were stored; sending them again may store some twice.
        """
        ...

    async def receive(self) -> Sequence[Message]:
        """Wait for at least one message, and return all that have arrived.

        A broker that is away is waited for. Cancelling loses none.
        """
        ...

    def ack(self, messages: Sequence[Message]) -> None:
        """Settle messages: they are done with and never come again. Any order, any number at once.

        For a message that is settled, or whose connection was lost, this, `return_` and `reject` do nothing: the
        latter is lent again anyway.
        """
        ...

    def return_(self, message: Message) -> None:
        """Give a message back, soon to be lent again, because this process cannot see to it now.

        Does not count as a try where the broker can tell the difference (RabbitMQ from 4.3 on; before, it counts).
        """
        ...

    async def send_back(self, messages: Sequence[Message]) -> None:
        """Move messages to the end of the queue, where they are as new ones; return when they are stored there.

        A message whose connection was lost stays where it is: it is lent again anyway.

        Raises:
            QueueUnavailable: They are lent as before; some may be at the end of the queue too. Cancelling leaves the
                same.
        """
        ...

    def reject(self, message: Message) -> None:
        """Give a message back because of what it is. It is lent again a few times, then it goes to the dead letters."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
