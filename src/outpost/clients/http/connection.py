"""One connection, one exchange at a time.

Three rules carry this file:

1. `_future` says whether an exchange is running. Whoever ends it sets `_future` to None first, so it ends once.
2. Bytes that arrive while none is running were not asked for: the connection is closed, for nothing that follows on it
   could be trusted to be the answer to the next request.
3. A connection goes back to the pool only from `_finish`, after a complete response, the whole request sent, nothing
   left over, and the server's leave to go on.
"""

import asyncio
from typing import Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from outpost.clients.http.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    HttpError,
    ProtocolError,
    translated,
)
from outpost.clients.http.response import Response

MAX_HEAD = 64 * 1024
"""Most bytes of a response that are not body: interim responses, headers, chunk framing in a row, trailers."""

PIECE = 64 * 1024
"""Request bodies up to this size leave with their headers in one write, larger ones in pieces of it."""


class StaleConnection(ConnectionClosed):
    """A connection that had been idle closed before the first byte of its next answer: most likely it was closing
    already when the request went out. Never leaves this package."""


class Owner(Protocol):
    """Where connections live between exchanges."""

    def opened(self, connection: "Connection") -> None: ...
    def closed(self, connection: "Connection") -> None: ...
    def release(self, connection: "Connection") -> None: ...
    def forget(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """A connection to one origin.

    Attributes:
        origin: The origin it was opened for.
        reused: It has carried an exchange before.
    """

    __slots__ = (
        "_answering",
        "_body",
        "_complete",
        "_deadline",
        "_endpoint",
        "_failure",
        "_future",
        "_head_only",
        "_headers",
        "_keep_alive",
        "_loop",
        "_max_body",
        "_owner",
        "_parser",
        "_paused",
        "_quiet",
        "_received",
        "_size",
        "_status",
        "_timer",
        "_transport",
        "_truncated",
        "_unsent",
        "origin",
        "reused",
    )

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop, *, origin: str, endpoint: str) -> None:
        self.origin = origin
        self.reused = False
        self._owner = owner
        self._loop = loop
        self._endpoint = endpoint
        self._future: asyncio.Future[Response] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._failure: HttpError | None = None
        self._unsent: memoryview | None = None
        self._paused = False
        self._parser = self._new_parser()

    def send(
        self,
        request: bytes,
        rest: bytes,
        *,
        head_only: bool,
        max_body: int,
        deadline: float | None,
    ) -> "asyncio.Future[Response]":
        """Send a request and return the future of its response.

        Args:
            request: The head, and the body unless it is large.
            rest: A large body, else empty.
            head_only: The response has no body, whatever it says (RFC 9110, 9.3.2: the answer to HEAD).
            max_body: Most bytes of the response body that are kept.
            deadline: On the loop's clock; None if the caller watches over it.
        """
        loop = self._loop
        self._future = future = loop.create_future()
        self._deadline = deadline or 0.0
        if deadline is not None and (self._timer is None or deadline < self._timer.when()):
            self._watch()
        self._head_only = head_only
        self._max_body = max_body
        self._headers: list[tuple[bytes, bytes]] = []
        self._status = 0  # becomes that of the answer when its headers are complete
        self._body: bytes | bytearray = b""
        self._size = 0
        self._received = 0
        self._quiet = 0
        self._answering = False
        self._complete = False
        self._keep_alive = False
        self._truncated = False
        if self._failure is not None:
            self._fail(self._failure)
            return future
        self._transport.write(request)
        if rest:
            self._unsent = memoryview(rest)
            self._send_piece()
        return future

    def abandon(self, future: "asyncio.Future[Response]") -> None:
        """Close the connection if the exchange of `future`, which nobody waits for any more, is still running."""
        if self._future is future:
            self._end_exchange()
            self._transport.abort()

    def close(self) -> None:
        """Close an idle connection, telling the server where TLS has a word for it."""
        if self._transport.get_extra_info("ssl_object") is None:
            self._transport.abort()  # close() would first wait for bytes that the server may never take
        else:
            self._transport.close()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._future is None:
            self._die(ProtocolError(self._endpoint, "it sent bytes that answer no request"))
            return
        self._answering = True
        self._received += len(data)
        size = self._size
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._fail(ProtocolError(self._endpoint, "it switched to a protocol nobody asked for"))
            return
        except HttpParserError as error:
            if not self._complete:
                self._fail(ProtocolError(self._endpoint, str(error).lower()))
                return
            self._keep_alive = False
        if self._complete:
            self._finish()
            return
        self._quiet = 0 if self._size > size else self._quiet + len(data)
        if self._quiet > MAX_HEAD:
            self._fail(self._too_long())

    def eof_received(self) -> None:
        if self._future is None:
            self._die(ConnectionClosed(self._endpoint))
        else:
            self._end_of_stream(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._future is not None:
            self._end_of_stream(exc)
        self._failure = self._failure or ConnectionClosed(self._endpoint)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._owner.forget(self)
        self._owner.closed(self)
        del self._parser  # which refers back to us

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._unsent is not None:
            self._send_piece()

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._complete:  # a second answer to one request
            self._keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._status:  # else it is a trailer
            self._headers.append((name.lower(), value.rstrip()))

    def on_headers_complete(self) -> None:
        if self._complete:
            return
        self._status = self._parser.get_status_code()
        if self._head_only and self._status >= 200:
            self._complete = True
            self._keep_alive = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        if self._complete:
            self._keep_alive = False
            return
        self._size += len(data)
        if self._size > self._max_body:
            data = data[: self._max_body - self._size]
            self._complete = self._truncated = True
        if not self._body:
            self._body = data
        elif isinstance(self._body, bytearray):
            self._body += data
        else:
            self._body = bytearray(self._body) + data

    def on_message_complete(self) -> None:
        if self._complete:
            return
        if 100 <= self._status < 200:  # interim (RFC 9110, 15.2): the answer proper follows
            self._status = 0
            self._headers = []
        else:
            self._complete = True
            self._keep_alive = self._parser.should_keep_alive()

    # How exchanges end.

    def _finish(self) -> None:
        if self._status < 100:
            self._fail(ProtocolError(self._endpoint, "its status is no HTTP status"))
            return
        if self._received > MAX_HEAD and sum(len(n) + len(v) + 4 for n, v in self._headers) > MAX_HEAD:
            self._fail(self._too_long())
            return
        future = self._future
        assert future is not None
        response = Response(self._status, self._headers, bytes(self._body), self._truncated)
        cut_short = self._unsent is not None or self._transport.get_write_buffer_size() > 0
        self._end_exchange()
        if self._head_only:
            self._parser = self._new_parser()  # the old one waits for a body
        if self._keep_alive and not cut_short and not future.cancelled():
            self.reused = True
            self._owner.release(self)
        else:
            self._transport.abort()
        if not future.cancelled():
            future.set_result(response)

    def _fail(self, error: Exception) -> None:
        future = self._future
        assert future is not None
        self._end_exchange()
        self._transport.abort()
        if not future.cancelled():
            future.set_exception(error)

    def _end_exchange(self) -> None:
        self._future = None
        self._unsent = None

    def _watch(self) -> None:
        """Set the timer for the deadline.

        It is left to run when an exchange ends in time, and set anew only when it goes off: making and cancelling one
        for each exchange would cost as much as all the rest of it.
        """
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        self._timer = None
        if self._future is None or not self._deadline:
            return
        if self._loop.time() < self._deadline:
            self._watch()
            return
        self._fail(
            DeadlineExceeded(self._endpoint, "while it answered" if self._answering else "waiting for an answer")
        )

    def _end_of_stream(self, error: Exception | None) -> None:
        if error is None and self._status >= 200 and self._ends_with_stream():
            self._finish()
        elif self.reused and not self._answering:
            self._fail(StaleConnection(self._endpoint))
        elif error is None:
            self._fail(ConnectionClosed(self._endpoint))
        else:
            self._fail(translated(error, self._endpoint))

    def _ends_with_stream(self) -> bool:
        """RFC 9112, 6.3: the end of the connection ends a body with neither a length nor chunks."""
        coding = b""
        for name, value in self._headers:
            if name == b"content-length":
                return False
            if name == b"transfer-encoding":
                coding = value
        return coding.lower().rpartition(b",")[2].strip() != b"chunked"

    def _die(self, cause: HttpError) -> None:
        self._failure = cause
        self._owner.forget(self)
        self._transport.abort()

    def _too_long(self) -> ProtocolError:
        return ProtocolError(self._endpoint, f"its headers or trailers exceed {MAX_HEAD} bytes")

    def _send_piece(self) -> None:
        """Hand the transport one more piece of a large body, and come back when it has room and the loop a turn.

        A turn per piece lets an early answer be read before a write finds out that the server has closed.
        """
        if self._unsent is None or self._paused:
            return
        piece, self._unsent = self._unsent[:PIECE], self._unsent[PIECE:] or None
        self._transport.write(piece)
        if self._unsent is not None and not self._paused:
            self._loop.call_soon(self._send_piece)

    def _new_parser(self) -> HttpResponseParser:
        parser = HttpResponseParser(self)
        # Lines ended by a bare line feed: still sent by simple servers, and read by every other client.
        parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        return parser
