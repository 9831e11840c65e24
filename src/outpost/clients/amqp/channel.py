"""One channel: questions and answers in order, publications and their confirms, deliveries and their settlement.

A channel ends once: because it was closed here, because the broker closed it (which it does with the first request it
refuses), or with its connection. Everything that still waits then fails, and `ended` returns why.
"""

import asyncio
import copy
import struct
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple, Protocol

from outpost.clients.amqp import methods
from outpost.clients.amqp.confirms import Address, Confirms
from outpost.clients.amqp.content import Content, TakeMessage
from outpost.clients.amqp.errors import AmqpChannelClosed, AmqpError, AmqpNotConnected, ProtocolError
from outpost.clients.amqp.frames import METHOD, frame
from outpost.clients.amqp.publisher import Properties, Publisher, ReceivedProperties
from outpost.clients.amqp.settlement import Settlement
from outpost.clients.amqp.values import Cursor, Table

_METHOD = struct.Struct(">I")
_TAG_AND_FLAG = struct.Struct(">QB")
_TAG_LENGTH_AT = 4


class Line(Protocol):
    """What a channel needs of its connection."""

    endpoint: str
    max_frame: int

    def write(self, frames: Iterable[bytes]) -> None: ...
    def write_before_leaving(self, frames: Callable[[], list[bytes]]) -> None: ...
    def forget(self, channel: "Channel") -> None: ...


class Queue(NamedTuple):
    """What the broker says of a queue when it is declared."""

    name: str
    messages: int
    consumers: int


class _Consumer(NamedTuple):
    on_message: TakeMessage
    on_cancel: Callable[[], None]


class Channel:
    """Opened by `Connection.channel`.

    Attributes:
        number: Which of the connection's channels it is.
        content: Where the connection hands header and body frames.
    """

    __slots__ = (
        "_answers",
        "_confirms",
        "_connection",
        "_consumers",
        "_ended",
        "_failure",
        "_refusals",
        "_settlement",
        "_settling",
        "_tags",
        "content",
        "number",
    )

    def __init__(self, connection: Line, number: int) -> None:
        self.number = number
        self.content = Content()
        self._connection = connection
        self._answers: deque[tuple[int, asyncio.Future[Cursor]]] = deque()
        self._confirms = Confirms(connection.endpoint)
        self._consumers: dict[bytes, _Consumer] = {}
        self._settlement = Settlement()
        self._refusals: list[bytes] = []
        self._settling = False
        self._tags = 0
        self._failure: AmqpError | None = None
        self._ended: asyncio.Future[AmqpError] = asyncio.get_running_loop().create_future()

    @property
    def is_open(self) -> bool:
        return self._failure is None

    async def ended(self) -> AmqpError:
        """Wait until the channel has ended, and return why."""
        return await asyncio.shield(self._ended)

    def check_open(self) -> None:
        """Raise AmqpNotConnected if the channel has ended."""
        if self._failure is not None:
            raise AmqpNotConnected(self._failure.endpoint, self._failure.detail)

    # Declaring. Each of these raises AmqpChannelClosed when the broker refuses, and the channel is gone then.

    async def open(self) -> None:
        await self._call(methods.channel_open(), methods.CHANNEL_OPEN_OK)

    async def exchange_declare(
        self,
        name: str,
        kind: str = "topic",
        *,
        passive: bool = False,
        durable: bool = True,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Table | None = None,
    ) -> None:
        """Create an exchange, or check that it is there as it is described; `passive`: only that it is there."""
        wanted = methods.exchange_declare(
            name,
            kind,
            passive=passive,
            durable=durable,
            auto_delete=auto_delete,
            internal=internal,
            arguments=arguments or {},
        )
        await self._call(wanted, methods.EXCHANGE_DECLARE_OK)

    async def exchange_delete(self, name: str) -> None:
        await self._call(methods.exchange_delete(name), methods.EXCHANGE_DELETE_OK)

    async def queue_declare(
        self,
        name: str,
        *,
        passive: bool = False,
        durable: bool = True,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Table | None = None,
    ) -> Queue:
        """Create a queue, or check that it is there as it is described; `passive`: only that it is there."""
        wanted = methods.queue_declare(
            name,
            passive=passive,
            durable=durable,
            exclusive=exclusive,
            auto_delete=auto_delete,
            arguments=arguments or {},
        )
        answer = await self._call(wanted, methods.QUEUE_DECLARE_OK)
        return Queue(answer.short_string(), answer.u32(), answer.u32())

    async def queue_bind(self, queue: str, exchange: str, routing_key: str, arguments: Table | None = None) -> None:
        await self._call(methods.queue_bind(queue, exchange, routing_key, arguments or {}), methods.QUEUE_BIND_OK)

    async def queue_delete(self, name: str) -> None:
        await self._call(methods.queue_delete(name), methods.QUEUE_DELETE_OK)

    # Publishing.

    async def confirm_select(self) -> None:
        """Let the broker confirm what is published from now on; needed once before `publisher`."""
        await self._call(methods.confirm_select(), methods.CONFIRM_SELECT_OK)

    def publisher(
        self,
        *,
        exchange: str,
        routing_key: str,
        mandatory: bool = True,
        properties: Properties | ReceivedProperties | None = None,
    ) -> Publisher:
        """Return what publishes to an address.

        Args:
            mandatory: What no queue takes fails as AmqpReturned; otherwise the broker confirms it and drops it.
        """
        return Publisher(
            self,
            exchange=exchange,
            routing_key=routing_key,
            mandatory=mandatory,
            properties=properties or Properties(),
            max_frame=self._connection.max_frame,
        )

    def publish(self, frames: list[bytes], count: int, address: Address) -> "asyncio.Future[None]":
        """Send frames that hold `count` publications; `Publisher` makes them."""
        self._connection.write(frames)
        return self._confirms.expect(count, address)

    # Consuming.

    async def qos(self, prefetch_count: int) -> None:
        """Let each consumer started from now on have at most so many deliveries that are not settled."""
        await self._call(methods.basic_qos(prefetch_count), methods.BASIC_QOS_OK)

    async def consume(
        self, queue: str, on_message: TakeMessage, on_cancel: Callable[[], None], *, exclusive: bool = False
    ) -> str:
        """Have messages of a queue delivered; return the consumer's tag.

        Args:
            on_message: Called with each one, while what has arrived is being read: it must not raise.
            on_cancel: Called when the broker ends the consumer, because its queue was deleted or moves elsewhere.
        """
        self._tags += 1
        tag = str(self._tags)
        self._consumers[tag.encode()] = _Consumer(on_message, on_cancel)
        await self._call(methods.basic_consume(queue, tag, exclusive=exclusive), methods.BASIC_CONSUME_OK)
        return tag

    @property
    def received_properties(self) -> ReceivedProperties:
        """Those of the message that `on_message` is being called with."""
        return ReceivedProperties(self.content.properties)

    async def cancel(self, consumer_tag: str) -> None:
        """End a consumer. What it was given and has not settled stays with this channel."""
        await self._call(methods.basic_cancel(consumer_tag), methods.BASIC_CANCEL_OK)
        self._consumers.pop(consumer_tag.encode(), None)

    def ack(self, delivery_tags: Iterable[int]) -> None:
        """Acknowledge deliveries, in any order; told to the broker at the end of this turn of the event loop.

        This and the two below do nothing for what is settled, or once the channel has ended: it is delivered again.
        """
        if self._failure is not None:
            return
        self._settlement.done(delivery_tags)
        self._settle_soon()

    def nack(self, delivery_tag: int, *, requeue: bool = True) -> None:
        """Give a delivery back through no fault of its own. From RabbitMQ 4.3 on this does not count as a try."""
        if self._failure is None and self._settlement.told(delivery_tag):
            self._refusals.append(methods.basic_nack(delivery_tag, requeue=requeue))
            self._settle_soon()

    def reject(self, delivery_tag: int, *, requeue: bool = True) -> None:
        """Refuse a delivery because of what it is; counts as a try in a quorum queue of every version."""
        if self._failure is None and self._settlement.told(delivery_tag):
            self._refusals.append(methods.basic_reject(delivery_tag, requeue=requeue))
            self._settle_soon()

    # The end.

    async def close(self) -> None:
        """Close the channel; deliveries that are not settled go back to their queues."""
        if self._failure is None:
            with suppress(AmqpError):  # then it is closed already
                await self._call(methods.channel_close(), methods.CHANNEL_CLOSE_OK)
            self.end(AmqpNotConnected(self._connection.endpoint, "the channel was closed"))

    def end(self, error: AmqpError) -> None:
        """Fail whatever waits; nothing is sent any more."""
        if self._failure is not None:
            return
        self._failure = error
        self._connection.forget(self)
        self._confirms.fail(error)
        while self._answers:
            answer = self._answers.popleft()[1]
            if not answer.done():
                answer.set_exception(copy.copy(error))
        self._consumers.clear()
        self._ended.set_result(error)

    # What the connection calls.

    def take_method(self, data: bytes, start: int, stop: int) -> None:
        if stop - start <= _TAG_LENGTH_AT:
            self._take_other(Cursor(data, start, stop))
            return
        method = _METHOD.unpack_from(data, start)[0]
        if method == methods.BASIC_DELIVER:
            name_at = start + _TAG_LENGTH_AT + 1
            tag_at = name_at + data[name_at - 1]
            if tag_at + _TAG_AND_FLAG.size > stop:
                raise ProtocolError("a value goes beyond the end of its frame")
            consumer = self._consumers.get(data[name_at:tag_at])
            if consumer is None:
                raise ProtocolError("it delivers to a consumer that was not asked for")
            tag, redelivered = _TAG_AND_FLAG.unpack_from(data, tag_at)
            self.content.begin(consumer.on_message, tag, redelivered != 0)
        elif method == methods.BASIC_ACK or method == methods.BASIC_NACK:
            answer = Cursor(data, start + 4, stop)
            tag, flags = answer.u64(), answer.u8()
            self._confirms.answered(tag, multiple=flags & 1 == 1, stored=method == methods.BASIC_ACK)
        else:
            self._take_other(Cursor(data, start, stop))

    # Within.

    def _take_other(self, arguments: Cursor) -> None:
        match arguments.u32():
            case methods.BASIC_RETURN:
                _, reason = arguments.u16(), arguments.short_string()
                self._confirms.returned((arguments.short_string(), arguments.short_string()), reason)
                self.content.begin(_ignore, 0, False)
            case methods.BASIC_CANCEL:
                consumer = self._consumers.pop(arguments.short_string().encode(), None)
                if consumer is not None:
                    consumer.on_cancel()
            case methods.CHANNEL_CLOSE:
                code, text = arguments.u16(), arguments.short_string()
                self._send(methods.channel_close_ok())
                self.end(AmqpChannelClosed(self._connection.endpoint, code, text))
            case methods.CHANNEL_FLOW:
                self._send(methods.channel_flow_ok(active=arguments.u8() == 1))
            case method if self._answers and self._answers[0][0] == method:
                answer = self._answers.popleft()[1]
                if not answer.done():
                    answer.set_result(arguments)
            case method:
                raise ProtocolError(f"it sends the method {method >> 16}.{method & 0xFFFF}, which nobody asked for")

    async def _call(self, question: bytes, expected: int) -> Cursor:
        self.check_open()
        answer: asyncio.Future[Cursor] = asyncio.get_running_loop().create_future()
        self._send(question)
        self._answers.append((expected, answer))
        return await answer

    def _settle_soon(self) -> None:
        if not self._settling:
            self._settling = True
            self._connection.write_before_leaving(self._settled)

    def _settled(self) -> list[bytes]:
        """Return what this turn settled. Refusals come first: acknowledging many settles all below."""
        self._settling = False
        refusals, self._refusals = self._refusals, []
        if self._failure is not None:
            return []
        acknowledgements = [methods.basic_ack(tag, multiple=multiple) for tag, multiple in self._settlement.take()]
        return [frame(METHOD, self.number, method) for method in (*refusals, *acknowledgements)]

    def _send(self, method: bytes) -> None:
        self._connection.write([frame(METHOD, self.number, method)])


def _ignore(tag: int, returns: int, body: bytes) -> None:
    """Take the body of a returned message, which whoever sent it still has."""
