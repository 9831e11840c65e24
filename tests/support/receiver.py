"""A webhook receiver in the test's own event loop: it remembers what arrived and answers as it was told."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httptools


@dataclass(frozen=True)
class Request:
    """A request that arrived whole.

    Attributes:
        headers: Names in lower case.
        received_at: Seconds of the event loop's clock.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    received_at: float

    @property
    def event_id(self) -> str:
        return self.headers.get("x-outpost-event-id", "")


Answering = Callable[[Request], bytes | None]
"""Returns the bytes of the answer; None keeps the sender waiting."""


class Receiver:
    """Listens on a free port of 127.0.0.1 while it is entered. A path nobody spoke of answers 200."""

    def __init__(self) -> None:
        self._answering: dict[str, Answering] = {}
        self._requests: dict[str, list[Request]] = {}
        self._held: dict[str, list[_Connection]] = {}
        self._connections: set[_Connection] = set()
        self._arrived = asyncio.Event()
        self._port = 0

    async def __aenter__(self) -> "Receiver":
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=1024)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self._connections:
            connection.transport.abort()
        await self._server.wait_closed()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    # --- how it answers

    def answer(self, path: str, status: int, *, body: bytes = b"ok", headers: Mapping[str, str] | None = None) -> None:
        """Answer every request for `path` like this from now on."""
        answer = _answer(status, body, headers or {})
        self._answering[path] = lambda request: answer

    def hold(self, path: str) -> None:
        """Take requests for `path` and leave them without an answer."""
        self._answering[path] = lambda request: None

    def let_go(self, path: str) -> None:
        """Answer what was held with 200, and what comes from now on too."""
        self.answer(path, 200)
        for connection in self._held.pop(path, []):
            connection.write(_OK)

    def fail_once_each(self, path: str) -> None:
        """Answer the first request for each event with 500, and those after it with 200."""
        failed: set[str] = set()

        def answer(request: Request) -> bytes:
            if request.event_id in failed:
                return _OK
            failed.add(request.event_id)
            return _answer(500, b"no", {})

        self._answering[path] = answer

    # --- what arrived

    def requests(self, path: str) -> list[Request]:
        """Return what has arrived at `path`, oldest first."""
        return list(self._requests.get(path, ()))

    def event_ids(self, path: str) -> set[str]:
        """Return the ids of the events that have arrived at `path`."""
        return {request.event_id for request in self._requests.get(path, ())}

    async def until(self, count: int, path: str, *, seconds: float = 20) -> list[Request]:
        """Wait until so many requests have arrived at `path` and return them all, oldest first."""
        try:
            async with asyncio.timeout(seconds):
                while len(self._requests.get(path, ())) < count:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            found = len(self._requests.get(path, ()))
            raise AssertionError(f"{found} of {count} requests arrived at {path} in {seconds} s") from None
        return self.requests(path)

    # --- for its connections

    def opened(self, connection: "_Connection") -> None:
        self._connections.add(connection)

    def closed(self, connection: "_Connection") -> None:
        self._connections.discard(connection)

    def receive(self, connection: "_Connection", request: Request) -> None:
        self._requests.setdefault(request.path, []).append(request)
        answering = self._answering.get(request.path)
        answer = answering(request) if answering else _OK
        if answer is None:
            self._held.setdefault(request.path, []).append(connection)
        else:
            connection.write(answer)
        self._arrived.set()


class _Connection(asyncio.Protocol):
    """One connection; the callbacks in the second part are the parser's."""

    transport: asyncio.Transport

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._parser: Any = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._receiver.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._receiver.closed(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def write(self, answer: bytes) -> None:
        self.transport.write(answer)

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        now = asyncio.get_running_loop().time()
        self._receiver.receive(self, Request(self._url.decode(), self._headers, self._body, now))


def _answer(status: int, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Told\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


_OK = _answer(200, b"ok", {})
