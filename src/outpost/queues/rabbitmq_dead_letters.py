"""The dead letters of a queue at RabbitMQ.

To look at a letter is to have it delivered, and a broker counts how often that happens; some drop what came back too
often. So letters are only counted until they are moved, and those that cannot be read are sent to their place anew,
with all that they say of themselves: `x-death` tells a person when and why they died.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from outpost.clients.amqp import (
    AmqpChannelClosed,
    AmqpError,
    AmqpOptions,
    Channel,
    Connection,
    Properties,
    Publisher,
    ReceivedProperties,
    connect,
)
from outpost.domain.errors import QueueUnavailable
from outpost.ports.dead_letters import Redriven
from outpost.queues.rabbitmq_topology import Topology

_LENT = 100
"""Letters in memory at a time."""
_SILENCE_SECONDS = 2.0
"""After which what is still counted has gone to somebody else, who empties the queue too."""
_CONFIRM_SECONDS = 30.0
_NOT_FOUND = 404


class RabbitMQDeadLetters:
    """`DeadLetters` of one queue."""

    def __init__(self, options: AmqpOptions, topology: Topology, *, can_be_read: Callable[[bytes], bool]) -> None:
        self._options = options
        self._topology = topology
        self._can_be_read = can_be_read

    @property
    def place(self) -> str:
        return self._topology.dead_letters

    async def count(self) -> int:
        async with self._connected() as connection:
            return await self._count(connection)

    async def oldest_at(self) -> None:
        """It stands in the letter, and none is taken out to look at it."""

    async def redrive(self, limit: int | None = None) -> Redriven:
        async with self._connected() as connection:
            count = await self._count(connection)
            wanted = count if limit is None else min(count, limit)
            return await self._move(await connection.channel(), wanted) if wanted else Redriven()

    async def _count(self, connection: Connection) -> int:
        channel = await connection.channel()
        try:
            return (await channel.queue_declare(self.place, passive=True)).messages
        except AmqpChannelClosed as error:
            if error.code == _NOT_FOUND:  # nothing has died: `outpost serve` creates it
                return 0
            raise
        finally:
            await channel.close()

    async def _move(self, channel: Channel, wanted: int) -> Redriven:
        await channel.confirm_select()
        await channel.qos(min(_LENT, wanted))
        back = self._publisher(channel, self._topology.queue)
        arrivals = _Arrivals(channel)
        await channel.consume(self.place, arrivals.add, arrivals.end)
        moved = left = 0
        while moved + left < wanted:
            letters = await arrivals.take(wanted - moved - left)
            if not letters:
                break
            readable: list[bytes] = []
            unreadable: list[_Letter] = []
            for letter in letters:
                if self._can_be_read(letter.body):
                    readable.append(letter.body)
                else:
                    unreadable.append(letter)
            async with asyncio.timeout(_CONFIRM_SECONDS):  # a broker short of memory or disk takes nothing
                stored = [self._again(channel, letter.properties).send([letter.body]) for letter in unreadable]
                await asyncio.gather(*stored, *([back.send(readable)] if readable else []))
            channel.ack(letter.tag for letter in letters)
            moved, left = moved + len(readable), left + len(unreadable)
        await channel.close()  # behind the acknowledgements; what was lent beyond them goes back
        return Redriven(moved=moved, left=left)

    def _again(self, channel: Channel, properties: ReceivedProperties) -> Publisher:
        return self._publisher(channel, self.place, Properties() if properties.names_user else properties)

    def _publisher(
        self, channel: Channel, queue: str, properties: Properties | ReceivedProperties | None = None
    ) -> Publisher:
        return channel.publisher(exchange=self._topology.exchange, routing_key=queue, properties=properties)

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[Connection]:
        try:
            connection = await connect(self._options)
            try:
                yield connection
            finally:
                await connection.close()
        except TimeoutError:
            raise self._unavailable("the broker does not confirm; is it short of memory or disk?") from None
        except AmqpError as error:
            raise self._unavailable(str(error)) from error

    def _unavailable(self, cause: str) -> QueueUnavailable:
        return QueueUnavailable(self.place, cause, broker=f"RabbitMQ at {self._options.endpoint}")


class _Letter(NamedTuple):
    tag: int
    properties: ReceivedProperties
    body: bytes


class _Arrivals:
    """Letters that were delivered and not looked at."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._letters: list[_Letter] = []
        self._changed = asyncio.Event()
        self._ended = False

    def add(self, tag: int, returns: int, body: bytes) -> None:
        self._letters.append(_Letter(tag, self._channel.received_properties, body))
        self._changed.set()

    def end(self) -> None:
        self._ended = True
        self._changed.set()

    async def take(self, most: int) -> Sequence[_Letter]:
        """Return what has arrived, at most so many; nothing if no more comes."""
        while not self._letters and not self._ended:
            self._changed.clear()
            try:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                break
        taken, self._letters = self._letters[:most], self._letters[most:]
        return taken
