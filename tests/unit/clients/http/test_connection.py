"""A connection over a transport of the test's own: how its bytes arrive makes no difference."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.clients.http.connection import Connection
from outpost.clients.http.errors import HttpError
from outpost.clients.http.pool import Pool
from outpost.clients.http.response import Response
from tests.support.asking import until

_MAX_BODY = 20

_HEADERS = [b"X-One: 1\r\n", b"X-Empty:\r\n", b"X-Blanks:  a b  \r\n", b"Connection: close\r\n", b"Upgrade: h2c\r\n"]
_FRAMES = [
    b"Content-Length: 0\r\n\r\n",
    b"Content-Length: 5\r\n\r\nhello",
    b"Content-Length: 30\r\n\r\n" + b"x" * 30,
    b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n19\r\n" + b"y" * 25 + b"\r\n0\r\n\r\n",
    b"\r\nuntil the end",
    b"Content-Length: 5\r\n\r\nhel",
    b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    b"nonsense\r\n\r\n",
]
_INTERIM = [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"]
_STATUS_LINES = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 304 Not Modified\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 503\r\n",
    b"HTTP/1.1 099 Odd\r\n",
]
_ANSWERS = st.builds(
    lambda interim, status, headers, frame, more: interim + status + b"".join(headers) + frame + more,
    st.sampled_from(_INTERIM),
    st.sampled_from(_STATUS_LINES),
    st.lists(st.sampled_from(_HEADERS), max_size=3),
    st.sampled_from(_FRAMES),
    st.sampled_from([b"", b"more"]),
)


class Transport(asyncio.Transport):
    """Takes what is written, and remembers whether it was closed.

    Attributes:
        unsent: How many bytes it claims to hold back.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False
        self.unsent = 0

    def write(self, data: Any) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.closed = True

    close = abort


def _opened(loop: asyncio.AbstractEventLoop) -> tuple[Connection, Transport, Pool]:
    pool, transport = Pool(max_idle=8, max_idle_per_host=8, idle_timeout=60), Transport()
    connection = Connection(pool, loop, origin="http://a.example:80", endpoint="a.example:80")
    connection.connection_made(transport)
    return connection, transport, pool


async def _outcome(pieces: list[bytes], *, head_only: bool) -> Response | str:
    """Return the response, or the error's text, to bytes that arrive in these pieces and then end."""
    connection, transport, pool = _opened(asyncio.get_running_loop())
    future = connection.send(b"GET /", b"", head_only=head_only, max_body=_MAX_BODY, deadline=None)
    for piece in pieces:
        if not transport.closed:
            connection.data_received(piece)
    if not transport.closed:
        connection.eof_received()
    connection.connection_lost(None)
    pool.close()
    assert transport.closed or future.done()
    try:
        return await future
    except HttpError as error:
        return str(error)


@given(answer=_ANSWERS, cuts=st.lists(st.integers(min_value=1, max_value=200), max_size=8), head_only=st.booleans())
def test_any_split_of_the_bytes_gives_the_same_answer(answer: bytes, cuts: list[int], head_only: bool) -> None:
    edges = sorted({0, len(answer), *(cut for cut in cuts if cut < len(answer))})
    pieces = [answer[start:end] for start, end in pairwise(edges)]
    bytewise = [bytes((byte,)) for byte in answer]

    async def compare() -> None:
        whole = await _outcome([answer], head_only=head_only)
        assert await _outcome(pieces, head_only=head_only) == whole
        assert await _outcome(bytewise, head_only=head_only) == whole

    asyncio.run(compare())


@given(junk=st.binary(max_size=200), start=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]))
def test_any_bytes_end_in_a_response_or_an_http_error(junk: bytes, start: bytes) -> None:
    outcome = asyncio.run(_outcome([start + junk], head_only=False))

    assert isinstance(outcome, (Response, str))


_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def test_a_connection_whose_request_is_sent_and_answered_is_idle() -> None:
    connection, transport, pool = _opened(asyncio.get_running_loop())
    future = connection.send(b"GET /", b"", head_only=False, max_body=9, deadline=None)
    connection.data_received(_OK)

    assert (await future).status == 200
    assert pool.connections_idle == 1
    assert not transport.closed
    pool.close()


async def test_a_connection_that_still_holds_part_of_its_request_is_not_used_again() -> None:
    connection, transport, pool = _opened(asyncio.get_running_loop())
    future = connection.send(b"POST /", b"", head_only=False, max_body=9, deadline=None)
    transport.unsent = 1
    connection.data_received(_OK)

    assert (await future).status == 200
    assert pool.connections_idle == 0
    assert transport.closed
    pool.close()


async def test_a_large_body_waits_while_the_transport_is_full() -> None:
    connection, transport, pool = _opened(asyncio.get_running_loop())
    connection.pause_writing()
    future = connection.send(b"", b"x" * 200_000, head_only=False, max_body=9, deadline=None)
    assert len(transport.written) == 0

    connection.resume_writing()
    await until(lambda: len(transport.written) == 200_000)
    connection.data_received(_OK)

    assert (await future).status == 200
    pool.close()


@pytest.mark.parametrize("end", ["eof", "lost"])
async def test_an_idle_connection_that_ends_leaves_the_pool_at_once(end: str) -> None:
    connection, _, pool = _opened(asyncio.get_running_loop())
    future = connection.send(b"GET /", b"", head_only=False, max_body=9, deadline=None)
    connection.data_received(_OK)
    await future

    if end == "eof":
        connection.eof_received()
    else:
        connection.connection_lost(None)

    assert pool.take("http://a.example:80") is None
    pool.close()
