"""An AMQP 0-9-1 client that sends what one turn of the event loop asked for in one write.

    connection = await connect(AmqpOptions.parse("amqp://guest:guest@localhost/"))
    channel = await connection.channel()
    await channel.confirm_select()
    publisher = channel.publisher(exchange="orders", routing_key="new")
    await publisher.send([b"one", b"two"])                  # returns when the broker has stored both

    await channel.qos(100)
    await channel.consume("orders.new", on_message, on_cancel)
    channel.ack([tag, ...])

A connection that is lost stays lost: whoever uses it opens another. What can go wrong is in `errors`.
"""

from outpost.clients.amqp.channel import Channel, Queue
from outpost.clients.amqp.connection import Connection
from outpost.clients.amqp.dial import connect
from outpost.clients.amqp.errors import (
    AmqpChannelClosed,
    AmqpConnectionLost,
    AmqpError,
    AmqpLoginRefused,
    AmqpNacked,
    AmqpNotConnected,
    AmqpNotStored,
    AmqpReturned,
    AmqpUnavailable,
)
from outpost.clients.amqp.options import AmqpOptions, tls_context
from outpost.clients.amqp.publisher import Properties, Publisher, ReceivedProperties

__all__ = [
    "AmqpChannelClosed",
    "AmqpConnectionLost",
    "AmqpError",
    "AmqpLoginRefused",
    "AmqpNacked",
    "AmqpNotConnected",
    "AmqpNotStored",
    "AmqpOptions",
    "AmqpReturned",
    "AmqpUnavailable",
    "Channel",
    "Connection",
    "Properties",
    "Publisher",
    "Queue",
    "ReceivedProperties",
    "connect",
    "tls_context",
]
