"""The HTTP server's connection, with a short road for `POST /api/v1/publish`.

Publishing is the one request that comes by the thousand. A plain one (API key, Content-Length, nothing ahead of it on
the connection) is taken from the parser straight to the publisher, with every other that arrives in the same tick of
the loop. Whatever is not plain takes the long road through the ASGI app, which gives the same answers.

A client that has begun a request and does not go on is cut off after `REQUEST_PATIENCE` seconds.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from hmac import compare_digest
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from outpost.pipeline.publish import PublishCommand, PublishResult

PUBLISH_PATH = b"/api/v1/publish"
REQUEST_PATIENCE = 10.0
_PATIENT_BYTES = 65_536
"""Bytes within one period of patience that show a slow but honest upload."""

Submit = Callable[[PublishCommand], "asyncio.Future[PublishResult]"]


class PublishRoad:
    """What a connection needs to take the short road; one for all connections."""

    def __init__(
        self,
        *,
        api_key: str,
        max_body: int,
        decode: Callable[[bytes], PublishCommand],
        submit: Submit,
        encode: Callable[[PublishResult], bytes],
        refuse: Callable[[Exception], tuple[int, Mapping[str, str], bytes]],
    ) -> None:
        """Args:
        api_key: Empty closes the short road.
        refuse: Status, headers and body for what `decode` raises or the future ends with.
        """
        self.authorization = b"Bearer " + api_key.encode() if api_key else None
        self.max_body = max_body
        self.decode = decode
        self.submit = submit
        self.encode = encode
        self.refuse = refuse


class _Exchange:
    """One publish request on the short road, in the shape in which the base class knows a request."""

    __slots__ = ("body", "disconnected", "keep_alive", "more_body", "response_complete")

    def __init__(self, *, keep_alive: bool) -> None:
        self.body = bytearray()
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

    def __init__(self, *arguments: Any, when_lost: Callable[[], None]) -> None:
        super().__init__(*arguments)
        self._when_lost = when_lost

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._received = 0
        self._request_open = False
        self._patience: asyncio.TimerHandle | None = None
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._request_is_here()
        super().connection_lost(exc)
        self._when_lost()

    # --- patience

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)
        if self._request_open:  # most requests arrive whole and need no timer
            self._await_request()

    def _await_request(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(REQUEST_PATIENCE, self._check_patience, self._received)

    def _request_is_here(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _check_patience(self, received_then: int) -> None:
        self._patience = None
        if self._received - received_then >= _PATIENT_BYTES:
            self._await_request()
        elif not self.transport.is_closing():
            self.transport.close()

    # --- parser callbacks

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._request_open = True

    def on_headers_complete(self) -> None:
        if self.url == PUBLISH_PATH and self._is_plain_publish():
            self.cycle = _Exchange(keep_alive=self.parser.should_keep_alive())  # type: ignore[assignment]
            return
        # The base class starts a request with its line and headers empty: give it what was parsed meanwhile.
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expect
        self.scope["headers"] = headers
        super().on_headers_complete()

    def _is_plain_publish(self) -> bool:
        if self.parser.get_method() != b"POST" or self.expect_100_continue or self.road.authorization is None:
            return False
        if self.cycle is not None and not self.cycle.response_complete:
            return False
        length = authorization = None
        for name, value in self.headers:
            if name == b"content-length":
                length = value
            elif name == b"authorization":
                authorization = value
            elif name in (b"transfer-encoding", b"upgrade"):
                return False
        return (
            authorization is not None
            and compare_digest(authorization, self.road.authorization)
            and length is not None
            and length.isdigit()
            and int(length) <= self.road.max_body
        )

    def on_body(self, body: bytes) -> None:
        if type(self.cycle) is _Exchange:
            self.cycle.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._request_open = False
        self._request_is_here()
        exchange = self.cycle
        if type(exchange) is not _Exchange:
            super().on_message_complete()
            return
        exchange.more_body = False
        road = self.road
        try:
            future = road.submit(road.decode(bytes(exchange.body)))
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

    def _answer(self, exchange: _Exchange, status: int, headers: Mapping[str, str], body: bytes) -> None:
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: %d\r\n" % (
            status,
            _PHRASES.get(status, b"-"),
            len(body),
        )
        for name, value in headers.items():
            head += f"{name}: {value}\r\n".encode()
        if not exchange.keep_alive:
            head += b"connection: close\r\n"
        exchange.response_complete = True
        self.transport.write(b"%s\r\n%s" % (head, body))
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()


_NO_HEADERS: Mapping[str, str] = {}
_PHRASES = {
    202: b"Accepted",
    400: b"Bad Request",
    409: b"Conflict",
    413: b"Content Too Large",
    422: b"Unprocessable Entity",
    500: b"Internal Server Error",
    503: b"Service Unavailable",
}


def protocol_class(road: PublishRoad) -> type[PublishProtocol]:
    """Return the connection class whose connections share `road`."""
    return type("PublishProtocol", (PublishProtocol,), {"road": road})
