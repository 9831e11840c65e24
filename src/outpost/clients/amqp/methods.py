"""The methods of AMQP 0-9-1 that this client speaks: their numbers, and the bytes of those it sends.

Numbers are `class << 16 | method`, which is how the first four bytes of a payload read.
"""

import struct

from outpost.clients.amqp.values import Table, long_string, short_string, table

CONNECTION_START = 10 << 16 | 10
CONNECTION_TUNE = 10 << 16 | 30
CONNECTION_OPEN_OK = 10 << 16 | 41
CONNECTION_CLOSE = 10 << 16 | 50
CONNECTION_CLOSE_OK = 10 << 16 | 51
CONNECTION_BLOCKED = 10 << 16 | 60
CONNECTION_UNBLOCKED = 10 << 16 | 61
CHANNEL_OPEN_OK = 20 << 16 | 11
CHANNEL_FLOW = 20 << 16 | 20
CHANNEL_CLOSE = 20 << 16 | 40
CHANNEL_CLOSE_OK = 20 << 16 | 41
EXCHANGE_DECLARE_OK = 40 << 16 | 11
EXCHANGE_DELETE_OK = 40 << 16 | 21
QUEUE_DECLARE_OK = 50 << 16 | 11
QUEUE_BIND_OK = 50 << 16 | 21
QUEUE_DELETE_OK = 50 << 16 | 41
BASIC_QOS_OK = 60 << 16 | 11
BASIC_CONSUME_OK = 60 << 16 | 21
BASIC_CANCEL = 60 << 16 | 30
BASIC_CANCEL_OK = 60 << 16 | 31
BASIC_RETURN = 60 << 16 | 50
BASIC_DELIVER = 60 << 16 | 60
BASIC_ACK = 60 << 16 | 80
BASIC_NACK = 60 << 16 | 120
CONFIRM_SELECT_OK = 85 << 16 | 11

BASIC_CLASS = 60

_RESERVED = b"\x00\x00"

# What the broker may send to a client that says so.
_CAPABILITIES = {
    "authentication_failure_close": True,
    "basic.nack": True,
    "connection.blocked": True,
    "consumer_cancel_notify": True,
    "publisher_confirms": True,
}


def _method(class_: int, method: int, arguments: bytes = b"") -> bytes:
    return struct.pack(">HH", class_, method) + arguments


def _close(class_: int, method: int) -> bytes:
    return _method(class_, method, struct.pack(">H", 200) + short_string("bye") + b"\x00\x00\x00\x00")


def connection_start_ok(*, user: str, password: str, name: str) -> bytes:
    """Log in with the mechanism PLAIN (RFC 4616)."""
    properties = {
        "product": "asyncio client",
        "capabilities": _CAPABILITIES,
        **({"connection_name": name} if name else {}),
    }
    response = f"\0{user}\0{password}".encode()
    return _method(10, 11, table(properties) + short_string("PLAIN") + long_string(response) + short_string("en_US"))


def connection_tune_ok(*, channel_max: int, frame_max: int, heartbeat: int) -> bytes:
    return _method(10, 31, struct.pack(">HIH", channel_max, frame_max, heartbeat))


def connection_open(virtual_host: str) -> bytes:
    return _method(10, 40, short_string(virtual_host) + b"\x00\x00")


def connection_close() -> bytes:
    return _close(10, 50)


def connection_close_ok() -> bytes:
    return _method(10, 51)


def channel_open() -> bytes:
    return _method(20, 10, b"\x00")


def channel_flow_ok(*, active: bool) -> bytes:
    return _method(20, 21, bytes((active,)))


def channel_close() -> bytes:
    return _close(20, 40)


def channel_close_ok() -> bytes:
    return _method(20, 41)


def exchange_declare(
    name: str, kind: str, *, passive: bool, durable: bool, auto_delete: bool, internal: bool, arguments: Table
) -> bytes:
    flags = passive | durable << 1 | auto_delete << 2 | internal << 3
    return _method(40, 10, _RESERVED + short_string(name) + short_string(kind) + bytes((flags,)) + table(arguments))


def exchange_delete(name: str) -> bytes:
    return _method(40, 20, _RESERVED + short_string(name) + b"\x00")


def queue_declare(
    name: str, *, passive: bool, durable: bool, exclusive: bool, auto_delete: bool, arguments: Table
) -> bytes:
    flags = passive | durable << 1 | exclusive << 2 | auto_delete << 3
    return _method(50, 10, _RESERVED + short_string(name) + bytes((flags,)) + table(arguments))


def queue_bind(queue: str, exchange: str, routing_key: str, arguments: Table) -> bytes:
    names = short_string(queue) + short_string(exchange) + short_string(routing_key)
    return _method(50, 20, _RESERVED + names + b"\x00" + table(arguments))


def queue_delete(name: str) -> bytes:
    return _method(50, 40, _RESERVED + short_string(name) + b"\x00")


def basic_qos(prefetch_count: int) -> bytes:
    """Limit each consumer that starts later (RabbitMQ's meaning of `global` = false)."""
    return _method(60, 10, struct.pack(">IHB", 0, prefetch_count, 0))


def basic_consume(queue: str, consumer_tag: str, *, exclusive: bool) -> bytes:
    return _method(
        60, 20, _RESERVED + short_string(queue) + short_string(consumer_tag) + bytes((exclusive << 2,)) + table({})
    )


def basic_cancel(consumer_tag: str) -> bytes:
    return _method(60, 30, short_string(consumer_tag) + b"\x00")


def basic_publish(exchange: str, routing_key: str, *, mandatory: bool) -> bytes:
    return _method(60, 40, _RESERVED + short_string(exchange) + short_string(routing_key) + bytes((mandatory,)))


def basic_ack(delivery_tag: int, *, multiple: bool) -> bytes:
    return _method(60, 80, struct.pack(">QB", delivery_tag, multiple))


def basic_reject(delivery_tag: int, *, requeue: bool) -> bytes:
    return _method(60, 90, struct.pack(">QB", delivery_tag, requeue))


def basic_nack(delivery_tag: int, *, requeue: bool) -> bytes:
    return _method(60, 120, struct.pack(">QB", delivery_tag, requeue << 1))


def confirm_select() -> bytes:
    return _method(85, 10, b"\x00")
