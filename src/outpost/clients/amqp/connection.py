"""One connection: frames out, frames in, from the first byte to the last.

Four rules carry this file:

1. Frames of one turn of the event loop leave in one write. While the transport is full they wait here.
2. Nothing is sent twice. When the connection ends, what was published and not confirmed fails as unknown.
3. A peer that breaks the protocol is not understood from there on, so the connection ends.
4. `_failure` says why the connection ended. Whoever ends it sets it first, so it ends once.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import cast

from outpost.clients.amqp import methods
from outpost.clients.amqp.channel import Channel
from outpost.clients.amqp.errors import AmqpConnectionLost, AmqpLoginRefused, AmqpNotConnected, ProtocolError
from outpost.clients.amqp.frames import (
    BODY,
    HEADER,
    HEARTBEAT,
    HEARTBEAT_FRAME,
    MAX_FRAME,
    METHOD,
    PROTOCOL_HEADER,
    FrameReader,
    frame,
)
from outpost.clients.amqp.heartbeat import Heartbeat
from outpost.clients.amqp.options import AmqpOptions
from outpost.clients.amqp.values import Cursor

_LEAST_FRAME = 4096  # AMQP 0-9-1, section 4.2.3: a peer must accept frames up to this size
_CLOSE_SECONDS = 2.0
_REFUSED_LOGIN = (403, 530)  # access refused, not allowed (the virtual host)


class Connection(asyncio.Protocol):
    """A connection to one broker; `connect` opens it.

    Attributes:
        endpoint: `host:port`.
        max_frame: Most bytes of one frame, as agreed.
        paused: The transport is full; wait for `room` before sending much.
        blocked: Why the broker takes no publications now, as it says; None if it does.
    """

    __slots__ = (
        "_before_leaving",
        "_channels",
        "_closing",
        "_failure",
        "_gone",
        "_heartbeat",
        "_last_number",
        "_loop",
        "_max_channels",
        "_opened",
        "_options",
        "_reader",
        "_room",
        "_scheduled",
        "_transport",
        "_unsent",
        "blocked",
        "endpoint",
        "max_frame",
        "paused",
    )

    def __init__(self, options: AmqpOptions) -> None:
        self.endpoint = options.endpoint
        self.max_frame = MAX_FRAME
        self.paused = False
        self.blocked: str | None = None
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader(self._take_frame)
        self._heartbeat = Heartbeat(self._loop, beat=self._beat, dead=self._dead)
        self._channels: dict[int, Channel] = {}
        self._last_number = 0
        self._max_channels = 0xFFFF
        self._unsent: list[bytes] = []
        self._before_leaving: list[Callable[[], list[bytes]]] = []
        self._scheduled = False
        self._closing = False
        self._failure: str | None = None
        self._room: asyncio.Future[None] | None = None
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()

    @property
    def is_open(self) -> bool:
        return self._failure is None

    async def opened(self) -> None:
        """Wait until the broker has let us in.

        Raises:
            AmqpLoginRefused: It does not.
            AmqpNotConnected: The connection ended before that.
        """
        await self._opened

    async def channel(self) -> Channel:
        """Open another channel.

        Raises:
            AmqpUnavailable: The connection has ended, or all its channels are in use.
        """
        if self._failure is not None:
            raise AmqpNotConnected(self.endpoint, self._failure)
        channel = Channel(self, self._free_number())
        self._channels[channel.number] = channel
        await channel.open()
        return channel

    async def room(self) -> None:
        """Wait until the transport has room again, or the connection ends."""
        if self.paused and self._failure is None:
            if self._room is None:
                self._room = self._loop.create_future()
            await asyncio.shield(self._room)

    async def close(self) -> None:
        """Tell the broker that we leave, wait for its word, but not long, and close."""
        if self._failure is None and not self._closing:
            self._closing = True
            self.write([frame(METHOD, 0, methods.connection_close())])
        if self._transport is not None:
            await asyncio.wait([self._gone], timeout=_CLOSE_SECONDS)
        self.end("the connection was closed")

    def end(self, reason: str, *, politely: bool = False, refused: bool = False) -> None:
        """Close at once.

        Args:
            reason: Is told to whoever still waits.
            politely: Let what was written leave first, within a moment.
            refused: The broker does not let us in.
        """
        if self._failure is not None:
            return
        self._failure = reason
        self._heartbeat.stop()
        transport = self._transport
        if transport is not None and politely:
            transport.close()
            self._loop.call_later(_CLOSE_SECONDS, transport.abort)
        elif transport is not None:
            transport.abort()  # close() would first wait for bytes that the broker may never take
        if not self._opened.done():
            self._opened.set_exception((AmqpLoginRefused if refused else AmqpNotConnected)(self.endpoint, reason))
            self._opened.exception()  # nobody may be waiting for it
        self._make_room()
        self._unsent = []
        for channel in list(self._channels.values()):
            channel.end(AmqpConnectionLost(self.endpoint, reason))

    # What channels call.

    def write(self, frames: Iterable[bytes]) -> None:
        """Send frames at the end of this turn of the event loop.

        Raises:
            AmqpNotConnected: The connection has ended.
        """
        if self._failure is not None:
            raise AmqpNotConnected(self.endpoint, self._failure)
        self._unsent += frames
        if not self._scheduled:
            self._schedule()

    def write_before_leaving(self, frames: Callable[[], list[bytes]]) -> None:
        """Call `frames` at the end of this turn of the event loop, and send what it returns before all the rest."""
        self._before_leaving.append(frames)
        if not self._scheduled:
            self._schedule()

    def forget(self, channel: Channel) -> None:
        """Take a channel that has ended off the list."""
        self._channels.pop(channel.number, None)

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._failure is not None:
            self._transport.abort()
            return
        self._transport.write(PROTOCOL_HEADER)
        if self._unsent:
            self._schedule()

    def data_received(self, data: bytes) -> None:
        self._heartbeat.heard = True
        if self._failure is not None:
            return
        try:
            self._reader.feed(data)
        except ProtocolError as error:
            self.end(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        reason = "the broker closed the connection" if exc is None else "the connection broke off"
        self.end(reason if self._opened.done() else f"{reason} before it let us in")
        self._transport = None
        if not self._gone.done():
            self._gone.set_result(None)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._make_room()
        if not self._scheduled:
            self._schedule()

    # Within.

    def _schedule(self) -> None:
        self._scheduled = True
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if self.paused or self._transport is None or self._failure is not None:
            return
        if self._before_leaving:
            late, self._before_leaving = self._before_leaving, []
            self._unsent = [each for frames in late for each in frames()] + self._unsent
        if unsent := self._unsent:
            self._unsent = []
            self._heartbeat.spoke = True
            self._transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))

    def _take_frame(self, kind: int, number: int, data: bytes, start: int, stop: int) -> None:
        if self._failure is not None:
            return
        if number:
            channel = self._channels.get(number)
            if channel is None:
                raise ProtocolError("it uses a channel that is not open")
            if kind == METHOD:
                channel.take_method(data, start, stop)
            elif kind == HEADER:
                channel.content.header(data, start, stop)
            elif kind == BODY:
                channel.content.body(data, start, stop)
            else:
                raise ProtocolError(f"it sends a frame of the unknown type {kind}")
        elif kind == METHOD:
            self._take_method(Cursor(data, start, stop))
        elif kind != HEARTBEAT:
            raise ProtocolError(f"it sends a frame of type {kind} outside of a channel")

    def _take_method(self, arguments: Cursor) -> None:
        match arguments.u32():
            case methods.CONNECTION_START:
                self._log_in(arguments)
            case methods.CONNECTION_TUNE:
                self._tune(arguments.u16(), arguments.u32(), arguments.u16())
            case methods.CONNECTION_OPEN_OK:
                if not self._opened.done():
                    self._opened.set_result(None)
            case methods.CONNECTION_BLOCKED:
                self.blocked = arguments.short_string() or "no reason given"
            case methods.CONNECTION_UNBLOCKED:
                self.blocked = None
            case methods.CONNECTION_CLOSE:
                self._closed_by_broker(arguments.u16(), arguments.short_string())
            case methods.CONNECTION_CLOSE_OK:
                self.end("the connection was closed")
            case method:
                raise ProtocolError(f"it sends the method {method >> 16}.{method & 0xFFFF} outside of a channel")

    def _log_in(self, start: Cursor) -> None:
        _version = start.u8(), start.u8()
        _properties = start.table()
        if b"PLAIN" not in start.long_string().split():
            self.end("the broker does not take a user and a password (mechanism PLAIN)", refused=True)
            return
        options = self._options
        answer = methods.connection_start_ok(user=options.user, password=options.password, name=options.name)
        self.write([frame(METHOD, 0, answer)])

    def _tune(self, channel_max: int, frame_max: int, heartbeat: int) -> None:
        """Agree on the smaller of what the broker and we want; zero means no limit, or no heartbeat."""
        if 0 < frame_max < _LEAST_FRAME:
            raise ProtocolError(f"it wants frames of {frame_max} bytes, which is too small")
        self._max_channels = channel_max or 0xFFFF
        self.max_frame = self._reader.max_frame = min(frame_max or MAX_FRAME, MAX_FRAME)
        heartbeat = min(filter(None, (heartbeat, self._options.heartbeat)), default=0)
        tuned = methods.connection_tune_ok(
            channel_max=self._max_channels, frame_max=self.max_frame, heartbeat=heartbeat
        )
        self.write([frame(METHOD, 0, tuned), frame(METHOD, 0, methods.connection_open(self._options.virtual_host))])
        if heartbeat:
            self._heartbeat.start(heartbeat)

    def _closed_by_broker(self, code: int, text: str) -> None:
        if self._transport is not None:
            self._transport.write(frame(METHOD, 0, methods.connection_close_ok()))
        refused = code in _REFUSED_LOGIN and not self._opened.done()
        what = "the broker does not let us in" if refused else "the broker closed the connection"
        self.end(f"{what}: {code} {text}", politely=True, refused=refused)

    def _free_number(self) -> int:
        for _ in range(self._max_channels):
            self._last_number = self._last_number % self._max_channels + 1
            if self._last_number not in self._channels:
                return self._last_number
        raise AmqpNotConnected(self.endpoint, "all channels of the connection are in use")

    def _beat(self) -> None:
        if self._failure is None:
            self.write([HEARTBEAT_FRAME])

    def _dead(self) -> None:
        self.end("the broker is silent: no heartbeat")

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)
