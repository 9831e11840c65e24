"""Sending to a queue at RabbitMQ."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from outpost.clients.amqp import AmqpError, AmqpOptions, AmqpReturned, Channel, Connection, Properties, Publisher
from outpost.domain.errors import QueueUnavailable
from outpost.queues.rabbitmq_link import Link
from outpost.queues.rabbitmq_topology import Topology, ensure

_RECONNECT_SECONDS = 1.0
_CONFIRM_SECONDS = 5.0


class Sender:
    """One connection, used to publish only: a broker that is short of memory or disk stops reading from it."""

    def __init__(self, options: AmqpOptions, topology: Topology, *, create: bool) -> None:
        self._topology = topology
        self._create = create
        self._connection: Connection | None = None
        self._publisher: Publisher | None = None
        self._link = Link(options, prepare=self._prepare, down=self._down)

    @property
    def trouble(self) -> str | None:
        if self._link.trouble is None and self._connection is not None and self._connection.blocked:
            return _blocked(self._connection.blocked)
        return self._link.trouble

    def begin(self) -> None:
        """Connect, without waiting for it."""
        self._link.check()

    async def send_many(self, bodies: Sequence[bytes]) -> None:
        if not bodies:
            return
        connection, publisher = await self._ready()
        if connection.blocked:
            raise self._unavailable(_blocked(connection.blocked))
        try:
            async with asyncio.timeout(_CONFIRM_SECONDS):
                if connection.paused:
                    await connection.room()
                await publisher.send(bodies)
        except TimeoutError:
            cause = _blocked(connection.blocked) if connection.blocked else "the broker does not confirm"
            raise self._unavailable(cause) from None
        except AmqpReturned as error:
            # Preparing another connection creates what is missing.
            self._link.renew("the queue is missing or not bound")
            raise self._unavailable(str(error)) from error
        except AmqpError as error:
            raise self._unavailable(str(error)) from error

    async def close(self) -> None:
        await self._link.stop()

    async def _ready(self) -> tuple[Connection, Publisher]:
        with suppress(TimeoutError):
            await self._link.ready(within=_RECONNECT_SECONDS)
        if self._connection is None or self._publisher is None:
            raise self._unavailable(self._link.trouble or "the connection was lost again")
        return self._connection, self._publisher

    async def _prepare(self, connection: Connection) -> Channel:
        await ensure(connection, self._topology, create=self._create)
        channel = await connection.channel()
        await channel.confirm_select()
        self._publisher = channel.publisher(
            exchange=self._topology.exchange,
            routing_key=self._topology.queue,
            mandatory=True,
            properties=Properties(durable=True),
        )
        self._connection = connection
        return channel

    def _down(self) -> None:
        self._connection = self._publisher = None

    def _unavailable(self, cause: str) -> QueueUnavailable:
        return QueueUnavailable(self._topology.queue, cause, broker=self._link.broker)


def _blocked(reason: str) -> str:
    return f"the broker takes nothing now ({reason})"
