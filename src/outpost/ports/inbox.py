"""A queue of the operator's own, through which events are published."""

from collections.abc import Sequence
from typing import Protocol

from outpost.ports.queue import Message


class Inbox(Protocol):
    """A queue that others fill and that Outpost only reads: it is neither created nor changed.

    As with `Queue`, a message is lent to one process at a time until it is settled, no more are lent than the driver
    was told, a message may come more than once, and a connection that is lost is opened again, for ever.
    """

    @property
    def trouble(self) -> str | None:
        """What keeps it from receiving now; None if nothing."""
        ...

    @property
    def is_connected(self) -> bool:
        """Whether there is no trouble."""
        ...

    async def receive(self) -> Sequence[Message]:
        """Wait for at least one message, and return all that have arrived. Cancelling loses none."""
        ...

    def ack(self, messages: Sequence[Message]) -> None:
        """Settle messages that are done with.

        For a message that is settled, or whose connection was lost, this and the two below do nothing.
        """
        ...

    def return_(self, message: Message) -> None:
        """Give a message back, soon to be lent again, because this process cannot see to it now."""
        ...

    def refuse(self, message: Message) -> None:
        """Settle a message that can never be accepted. It goes to the queue's dead letters, if its owner has set up
        any, and never comes again."""
        ...
