"""What Outpost needs at a RabbitMQ: checked, and created where it is missing.

                 key = queue                    rejected too often
    exchange ──────────────▶ queue (quorum) ───────────┐
       ▲  └───────────────▶ dead letters (quorum)      │
       │        key = dead letters                     │
       └───────────────────────────────────────────────┘

Names and arguments are the reference's, so both programs work with what either has created.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from outpost.clients.amqp import AmqpChannelClosed, AmqpError, AmqpOptions, Channel, Connection, connect
from outpost.clients.amqp.values import Table
from outpost.domain.errors import ConfigurationError, QueueUnavailable

DELIVERY_LIMIT = 5
"""How often a message may come back before it goes to the dead letters."""

_START_SECONDS = 30.0
_NOT_ALLOWED, _NOT_FOUND, _DIFFERS = 403, 404, 406
_QUORUM: Table = {"x-queue-type": "quorum"}


@dataclass(frozen=True)
class Topology:
    """One queue of Outpost's.

    Attributes:
        dead_letters: The queue for what was rejected too often; nothing but a person empties it.
    """

    exchange: str
    queue: str
    dead_letters: str


async def provision(options: AmqpOptions, topologies: Iterable[Topology], *, create: bool) -> None:
    """Make sure, at start, that everything is there.

    A broker that is starting too takes connections before it answers, so its answer is waited for longer than usual.

    Raises:
        QueueUnavailable: The broker could not be reached, or does not let us in.
        ConfigurationError: Something is missing and not to be created, differs, or is not allowed.
    """
    topologies = list(topologies)
    try:
        patient = dataclasses.replace(options, connect_timeout=max(options.connect_timeout, _START_SECONDS))
        connection = await connect(patient)
        try:
            for topology in topologies:
                await ensure(connection, topology, create=create)
        finally:
            await connection.close()
    except AmqpError as error:
        raise QueueUnavailable(" and ".join(topology.queue for topology in topologies), str(error)) from error


async def ensure(connection: Connection, topology: Topology, *, create: bool) -> None:
    """Make sure that one queue, its exchange and its dead letters are there, and if `create` is set, bound.

    Raises:
        ConfigurationError: Something is missing and not to be created, differs, or is not allowed.
    """
    missing = [thing for thing, found in await _look(connection, topology) if not found]
    if missing and not create:
        raise ConfigurationError(
            f"RabbitMQ has no {', no '.join(missing)}; create what is missing, or set MQS_AUTO_PROVISION=true"
        )
    if missing:
        await _declare(connection, topology)
    elif create:
        await _bind_again(connection, topology)


async def _look(connection: Connection, topology: Topology) -> list[tuple[str, bool]]:
    async def exchange(channel: Channel) -> None:
        await channel.exchange_declare(topology.exchange, passive=True)

    async def queue(channel: Channel) -> None:
        await channel.queue_declare(topology.queue, passive=True)

    async def dead_letters(channel: Channel) -> None:
        await channel.queue_declare(topology.dead_letters, passive=True)

    looks = {
        f"exchange {topology.exchange!r}": exchange,
        f"queue {topology.queue!r}": queue,
        f"queue {topology.dead_letters!r}": dead_letters,
    }
    found: list[tuple[str, bool]] = []
    for thing, look in looks.items():
        channel = await connection.channel()  # one each: the broker closes it with the first thing it does not find
        try:
            await look(channel)
            found.append((thing, True))
        except AmqpChannelClosed as error:
            if error.code != _NOT_FOUND:
                raise _refused(thing, error) from error
            found.append((thing, False))
        await channel.close()
    return found


async def _declare(connection: Connection, topology: Topology) -> None:
    channel = await connection.channel()
    thing = f"exchange {topology.exchange!r}"
    try:
        await channel.exchange_declare(topology.exchange, "topic")
        thing = f"queue {topology.queue!r}"
        arguments = {
            **_QUORUM,
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": topology.exchange,
            "x-dead-letter-routing-key": topology.dead_letters,
        }
        await channel.queue_declare(topology.queue, arguments=arguments)
        await channel.queue_bind(topology.queue, topology.exchange, topology.queue)
        thing = f"queue {topology.dead_letters!r}"
        await channel.queue_declare(topology.dead_letters, arguments=_QUORUM)
        await channel.queue_bind(topology.dead_letters, topology.exchange, topology.dead_letters)
    except AmqpChannelClosed as error:
        raise _refused(thing, error) from error
    await channel.close()


async def _bind_again(connection: Connection, topology: Topology) -> None:
    """Bind queues that are there: whoever created them may have been interrupted before that."""
    channel = await connection.channel()
    try:
        await channel.queue_bind(topology.queue, topology.exchange, topology.queue)
        await channel.queue_bind(topology.dead_letters, topology.exchange, topology.dead_letters)
    except AmqpChannelClosed as error:
        if error.code != _NOT_ALLOWED:  # then whoever created them will have bound them too
            raise _refused(f"binding of queue {topology.queue!r}", error) from error
    await channel.close()


def _refused(thing: str, error: AmqpChannelClosed) -> ConfigurationError:
    match error.code:
        case code if code == _DIFFERS:
            what = (
                "exists already and is not as Outpost would create it; delete it once it is empty, or create what is "
                "missing beside it and set MQS_AUTO_PROVISION=false"
            )
        case code if code == _NOT_ALLOWED:
            what = (
                "may not be seen or created by this user; grant the rights, or create it and set "
                "MQS_AUTO_PROVISION=false"
            )
        case _:
            what = "cannot be used"
    return ConfigurationError(f"RabbitMQ's {thing} {what} ({error})")
