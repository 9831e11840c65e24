"""The HTTP server's connection, with a short road for `POST /api/v1/publish`.

Publishing is the one request that comes by the thousand. A plain one (API key, Content-Length, nothing ahead of it on
the connection) is taken from the parser straight to the publisher, with every other that arrives in the same tick of
the loop. A publisher's requests begin with the same lines again and again: what the parser made of them once is
remembered (`KnownHeads`). Whatever is not plain takes the long road through the ASGI app, which gives the same answers.

A client that has begun a request and does not go on is cut off after `REQUEST_PATIENCE` seconds, or `STOP_PATIENCE`
when the server stops. One that asks for nothing more is cut off after `IDLE_PATIENCE`, and one whose request line and
headers do not end is refused past `MAX_HEAD_BYTES`.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from hmac import compare_digest
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from outpost.api.date_header import DateHeader
from outpost.api.errors import Problem
from outpost.api.publish_road import PublishRoad
from outpost.pipeline.publish import PublishResult

PUBLISH_PATH = b"/api/v1/publish"
_PUBLISH_LINE = b"POST " + PUBLISH_PATH + b" HTTP/1.1\r\n"
REQUEST_PATIENCE = 10.0
IDLE_PATIENCE = 620.0
"""Longer than load balancers keep a connection that they may send on again (60 s at AWS, 600 s at Google): one that is
closed here at that moment costs somebody an answer 502."""
STOP_PATIENCE = 0.25
MAX_HEAD_BYTES = 1_048_576
_MOST_DIGITS = 20
"""Of a Content-Length: as many as 64 bits have; leading zeros cannot make a number of it that takes time to read."""
_STANDSTILL_SECONDS = 1.0
"""A timer that goes off so late tells of a process that was stopped, or a machine that was suspended."""
_PATIENT_BYTES = 65_536
"""Bytes within one period of patience that show a slow but honest upload."""


class _Exchange:
    """One publish request on the short road, in the shape in which the base class knows a request."""

    __slots__ = ("body", "disconnected", "keep_alive", "more_body", "response_complete")

    def __init__(self, *, keep_alive: bool) -> None:
        self.body: bytes | bytearray = bytearray()
        self.keep_alive = keep_alive
        self.more_body = True
        self.disconnected = False
        self.response_complete = False

    @property
    def message_event(self) -> "_Exchange":
        return self

    def set(self) -> None:
        """Nobody waits for the body piece by piece."""


class PublishProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 connection with the short road in front."""

    road: PublishRoad
    date: DateHeader
    patience: float = REQUEST_PATIENCE
    idle: float = IDLE_PATIENCE
    cycle: RequestResponseCycle | _Exchange | None  # type: ignore[assignment]
    parser: Any

    def __init__(self, *arguments: Any, when_lost: Callable[[], None]) -> None:
        super().__init__(*arguments)
        self._when_lost = when_lost

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._received = 0
        self._head_bytes = 0
        self._request_open = False
        self._head: bytes | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._idle_since = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._request_is_here()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)
        self._when_lost()

    # --- patience

    def data_received(self, data: bytes) -> None:
        if data.startswith(_PUBLISH_LINE) and not self._request_open and self._is_free():
            end = data.find(b"\r\n\r\n") + 4
            self._head = head = data[:end]
            if self.road.heads.body_length(head) == len(data) - end:
                self._request_is_here()
                self.cycle = exchange = _Exchange(keep_alive=True)  # type: ignore[assignment]
                self._publish(exchange, data[end:])
                return
        self._received += len(data)
        self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._pass_over_upgrade(data[offer.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(400, "invalid HTTP request")
            return
        finally:
            self._head = None
        if self._request_open:  # most requests arrive whole and need no timer
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(431, "request header too large")
            self._await_request()
        elif self._is_free():  # bytes came that began no request
            self._await_request()

    def _is_free(self) -> bool:
        """Say whether every request so far has its answer."""
        return self.cycle is None or self.cycle.response_complete

    def shutdown(self) -> None:
        """Close after the answer that is due. A request that is not here yet is not waited for as long as usual."""
        super().shutdown()
        if self._request_open and not self.transport.is_closing():
            self.loop.call_later(STOP_PATIENCE, self._give_up)

    def _give_up(self) -> None:
        if self._request_open and not self.pipeline and not self.transport.is_closing():
            self.transport.close()

    def _await_request(self) -> None:
        if self._patience is None:
            due = self.loop.time() + self.patience
            self._patience = self.loop.call_at(due, self._check_patience, due, self._received)

    def _request_is_here(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _check_patience(self, due: float, received_then: int) -> None:
        self._patience = None
        # It was this process that stood still: the rest of the request may have come meanwhile.
        stood_still = self.loop.time() - due > _STANDSTILL_SECONDS
        if stood_still or self.flow.read_paused or self._received - received_then >= _PATIENT_BYTES:
            self._await_request()
        elif not self.transport.is_closing():
            self.transport.close()

    def _pass_over_upgrade(self, rest: bytes) -> None:
        """Parse a request again without its offer of another protocol, for which the parser has taken the body."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(400, "invalid HTTP request")
            return
        lines = [b"%s: %s\r\n" % line for line in self.headers if line[0] != b"upgrade"]
        version = self.parser.get_http_version().encode()
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"%s %s HTTP/%s\r\n%s\r\n%s" % (method, self.url, version, b"".join(lines), rest))

    # --- parser callbacks

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        self._head_open = True
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._request_open = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_open:  # what comes after the body, in a chunked one, is nobody's header
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._head_open = False
        head, self._head = self._head, None  # of the first request in these bytes; others may follow it
        if not self._is_sound():
            raise ValueError("the head of a request is not sound")  # reaches `data_received` as the parser's error
        if self.parser.should_upgrade():
            return
        if self.url == PUBLISH_PATH:
            length = self._plain_body_length()
            if length is not None:
                keep_alive = self.parser.should_keep_alive()
                if keep_alive and head is not None:
                    self.road.heads.remember(head, length)
                self.cycle = _Exchange(keep_alive=keep_alive)  # type: ignore[assignment]
                return
        # The base class starts a request with its line and headers empty: give it what was parsed meanwhile.
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expect
        self.scope["headers"] = headers
        # One list for all connections, from which the base class takes them when an answer begins.
        self.server_state.default_headers[:] = [(b"date", self.date.value())]
        super().on_headers_complete()

    def _is_sound(self) -> bool:
        """Say what the parser does not: whether the version, the Host and the length are such as can be answered."""
        hosts = 0
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"content-length" and len(value) > _MOST_DIGITS:
                return False
        # RFC 9112, 3.2: one Host, which only HTTP/1.0 may leave out. Whoever stands in front may have read the other.
        version = self.parser.get_http_version()
        return hosts == 1 if version == "1.1" else hosts <= 1 and version == "1.0"

    def _plain_body_length(self) -> int | None:
        """Return the length of the body if this is a publish request for the short road, else None."""
        if self.parser.get_method() != b"POST" or self.expect_100_continue or self.road.authorization is None:
            return None
        if not self._is_free():
            return None
        length = authorization = None
        for name, value in self.headers:
            if name == b"content-length":
                length = value
            elif name == b"authorization":
                if authorization is not None:
                    return None
                authorization = value
            elif name == b"transfer-encoding":
                return None
        if authorization is None or not compare_digest(authorization, self.road.authorization):
            return None
        if length is None or not length.isdigit() or int(length) > self.road.max_body:
            return None
        return int(length)

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        if type(self.cycle) is _Exchange:
            self.cycle.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._request_open = False
        self._request_is_here()
        exchange = self.cycle
        if type(exchange) is not _Exchange:
            super().on_message_complete()
            return
        self._publish(exchange, bytes(exchange.body))

    def _publish(self, exchange: _Exchange, body: bytes) -> None:
        exchange.more_body = False
        road = self.road
        try:
            future = road.submit(road.decode(body))
        except Exception as error:
            self._answer(exchange, *road.refuse(error))
        else:
            future.add_done_callback(partial(self._on_published, exchange))

    def _on_published(self, exchange: _Exchange, future: "asyncio.Future[PublishResult]") -> None:
        if exchange.disconnected or self.transport.is_closing():
            if not future.cancelled():
                future.exception()
            return
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if error is None:
            self._answer(exchange, 202, _NO_HEADERS, self.road.encode(future.result()))
        else:
            self._answer(exchange, *self.road.refuse(error if isinstance(error, Exception) else Exception("stopped")))

    def on_response_complete(self) -> None:
        """Go on to the next request of the pipeline, or wait for one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            if self.pipeline:  # a client that sends requests faster than they are answered must wait
                self.flow.pause_reading()
        else:
            self._idle_since = self.loop.time()
            if self._idle_timer is None:
                self._watch_idleness(self.idle)

    def _watch_idleness(self, seconds: float) -> None:
        """Set the timer that closes an idle connection. It is left to run and looked at when it goes off: making and
        cancelling one for each request would cost as much as parsing it."""
        self._idle_timer = self.loop.call_later(seconds, self._close_if_idle)

    def _close_if_idle(self) -> None:
        self._idle_timer = None
        if self._request_open or not self._is_free() or self.transport.is_closing():
            return  # the next answer sets the timer again
        left = self._idle_since + self.idle - self.loop.time()
        if left > 0:
            self._watch_idleness(left)
        else:
            self.transport.close()

    def _refuse(self, status: int, message: str) -> None:
        """Answer bytes that are no request, and close."""
        if self.transport.is_closing():
            return
        _, _, body = self.road.refuse(Problem(status, message))
        self.transport.write(self._head_lines(status, len(body)) + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def _answer(self, exchange: _Exchange, status: int, headers: Mapping[str, str], body: bytes) -> None:
        head = self._head_lines(status, len(body))
        for name, value in headers.items():
            head += f"{name}: {value}\r\n".encode()
        if not exchange.keep_alive:
            head += b"connection: close\r\n"
        exchange.response_complete = True
        self.transport.write(b"%s\r\n%s" % (head, body))
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _head_lines(self, status: int, body_bytes: int) -> bytes:
        return _HEAD % (status, _PHRASES.get(status, b"-"), self.date.value(), body_bytes)


_HEAD = b"HTTP/1.1 %d %s\r\ndate: %s\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: %d\r\n"
_NO_HEADERS: Mapping[str, str] = {}
_PHRASES = {
    202: b"Accepted",
    400: b"Bad Request",
    409: b"Conflict",
    413: b"Content Too Large",
    422: b"Unprocessable Entity",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    503: b"Service Unavailable",
}


def protocol_class(
    road: PublishRoad, *, patience: float = REQUEST_PATIENCE, idle: float = IDLE_PATIENCE
) -> type[PublishProtocol]:
    """Return the connection class whose connections share `road`.

    Args:
        patience: Seconds a connection may wait for the rest of a request.
        idle: Seconds it may wait for the next one.
    """
    members = {"road": road, "date": DateHeader(), "patience": patience, "idle": idle}
    return type("PublishProtocol", (PublishProtocol,), members)
