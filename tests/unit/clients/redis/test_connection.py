"""One connection, against a peer that answers as it likes. The transport is the test's own: every byte is in view."""

import asyncio
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.clients.redis import RedisConnectionLost, RedisError, RedisNotConnected, RedisReplyError
from outpost.clients.redis import connection as module
from outpost.clients.redis.connection import Connection
from outpost.clients.redis.encoding import encode

GET = encode(("GET", "key"))


class Wire(asyncio.Transport):
    """Keeps what is written, one entry per write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.aborted = False

    def write(self, data: Any) -> None:
        self.writes.append(data)

    def abort(self) -> None:
        self.aborted = True


class Notes:
    """Notes what a connection reports."""

    def __init__(self) -> None:
        self.reports: list[str] = []

    def lost(self, connection: Connection) -> None:
        self.reports.append("lost")

    def demoted(self, connection: Connection) -> None:
        self.reports.append("demoted")


class Line:
    """A connection and both its ends."""

    def __init__(self, response_timeout: float | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.owner = Notes()
        self.wire = Wire()
        self.connection = Connection(self.owner, self.loop, endpoint="peer:1", response_timeout=response_timeout)
        self.connection.connection_made(self.wire)

    def send(self, command: bytes = GET) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self.loop.create_future()
        self.connection.send(command, future)
        return future

    def answer(self, data: bytes) -> None:
        self.connection.data_received(data)


async def _turn() -> None:
    await asyncio.sleep(0)


async def test_commands_of_one_turn_leave_in_one_write() -> None:
    line = Line()

    for _ in range(100):
        line.send()
    await _turn()
    line.send()
    await _turn()

    assert line.wire.writes == [GET * 100, GET]


async def test_replies_go_to_their_commands_in_order() -> None:
    line = Line()
    futures = [line.send() for _ in range(3)]
    await _turn()

    line.answer(b":1\r\n$-1\r\n*2\r\n$1\r\na\r\n:2\r\n")

    assert [future.result() for future in futures] == [1, None, [b"a", 2]]


_replies = st.recursive(
    st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=50)),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


def _as_reply(value: Any) -> bytes:
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, bytes):
        return b"$%d\r\n%b\r\n" % (len(value), value)
    return b"*%d\r\n%b" % (len(value), b"".join(map(_as_reply, value)))


@given(values=st.lists(_replies, min_size=1, max_size=8), cuts=st.lists(st.integers(0, 2000)))
def test_replies_are_the_same_however_they_are_cut(values: list[Any], cuts: list[int]) -> None:
    async def run() -> list[Any]:
        line = Line()
        futures = [line.send() for _ in values]
        await _turn()
        data = b"".join(map(_as_reply, values))
        edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
        for start, end in pairwise(edges):
            line.answer(data[start:end])
        return [future.result() for future in futures]

    assert asyncio.run(run()) == values


async def test_a_reply_may_come_byte_by_byte() -> None:
    line = Line()
    future = line.send()
    await _turn()

    for byte in b"$5\r\nhello\r\n":
        assert not future.done()
        line.answer(bytes([byte]))

    assert future.result() == b"hello"


async def test_an_error_reply_fails_its_command_alone() -> None:
    line = Line()
    first, second = line.send(), line.send()
    await _turn()

    line.answer(b"-WRONGTYPE not a string\r\n+OK\r\n")

    error = first.exception()
    assert isinstance(error, RedisReplyError)
    assert (error.code, error.message, str(error)) == (
        "WRONGTYPE",
        "not a string",
        "peer:1: WRONGTYPE not a string",
    )
    assert second.result() == b"OK"


async def test_an_error_inside_a_list_is_a_value() -> None:
    line = Line()
    future = line.send()
    await _turn()

    line.answer(b"*2\r\n+OK\r\n-ERR no\r\n")

    assert isinstance(future.result()[1], RedisReplyError)


@pytest.mark.parametrize(
    "garbage", [b"HTTP/1.1 400 Bad Request\r\n", b"\r\n", b"$-2\r\n", b":x\r\n", b"$9x\r\n", b"\x00"]
)
async def test_what_is_not_the_protocol_ends_the_connection(garbage: bytes) -> None:
    line = Line()
    first, second = line.send(), line.send()
    await _turn()

    line.answer(b"+OK\r\n" + garbage)

    assert first.result() == b"OK"
    with pytest.raises(RedisConnectionLost, match="protocol"):
        second.result()
    assert line.wire.aborted
    assert line.owner.reports == ["lost"]


async def test_a_reply_nobody_waits_for_ends_the_connection() -> None:
    line = Line()
    future = line.send()
    await _turn()

    line.answer(b"+OK\r\n+OK\r\n")

    assert future.result() == b"OK"
    assert line.wire.aborted


async def test_an_early_reply_is_not_taken_for_that_of_a_command_not_yet_written() -> None:
    line = Line()
    future = line.send()

    line.answer(b"+OK\r\n")

    with pytest.raises(RedisNotConnected, match="answers no command"):
        future.result()


async def test_half_a_reply_and_then_the_end_is_a_loss() -> None:
    line = Line()
    future = line.send()
    await _turn()

    line.answer(b"$10\r\nhalf")
    line.connection.connection_lost(None)

    with pytest.raises(RedisConnectionLost, match="closed the connection"):
        future.result()


async def test_a_loss_tells_what_was_sent_from_what_was_not() -> None:
    line = Line()
    sent = line.send()
    await _turn()
    unsent = line.send()

    line.connection.connection_lost(ConnectionResetError())

    assert isinstance(sent.exception(), RedisConnectionLost)
    assert isinstance(unsent.exception(), RedisNotConnected)
    assert line.wire.writes == [GET]


async def test_after_the_end_nothing_is_sent() -> None:
    line = Line()
    line.connection.end("it was time")

    future = line.send()
    await _turn()

    with pytest.raises(RedisNotConnected, match="it was time"):
        future.result()
    assert line.wire.writes == []


async def test_a_reply_above_the_limit_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REPLY", 1000)
    line = Line()
    future = line.send()
    await _turn()

    line.answer(b"$4000000000\r\n")
    for _ in range(11):
        line.answer(bytes(100))

    with pytest.raises(RedisConnectionLost, match="exceeds 1000 bytes"):
        future.result()


async def test_a_cancelled_command_does_not_shift_the_replies() -> None:
    line = Line()
    cancelled, other = line.send(), line.send()
    await _turn()

    cancelled.cancel()
    line.answer(b":1\r\n:2\r\n")

    assert other.result() == 2


async def test_commands_wait_while_the_transport_is_full() -> None:
    line = Line()
    line.connection.pause_writing()
    room = asyncio.ensure_future(line.connection.room())
    line.send()
    line.send()
    await _turn()
    assert line.wire.writes == []
    assert not room.done()

    line.connection.resume_writing()
    await room

    assert line.wire.writes == [GET * 2]


async def test_whoever_waits_for_room_is_let_go_when_the_connection_ends() -> None:
    line = Line()
    line.connection.pause_writing()
    room = asyncio.ensure_future(line.connection.room())
    await _turn()

    line.connection.end("it was time")

    await room


async def test_an_unanswered_command_ends_the_connection_in_time() -> None:
    line = Line(response_timeout=0.05)
    started = line.loop.time()
    answered, unanswered = line.send(), line.send()
    await _turn()
    line.answer(b"+OK\r\n")

    with pytest.raises(RedisConnectionLost, match=r"no answer within 0\.05 s"):
        await unanswered

    assert answered.result() == b"OK"
    assert 0.05 <= line.loop.time() - started < 5


async def test_answers_that_arrived_while_the_process_was_held_up_count() -> None:
    line = Line(response_timeout=0.05)
    future = line.send()
    await _turn()

    def read_late() -> None:
        line.answer(b"+OK\r\n")

    check = cast(Any, line.connection)._timer
    line.loop.call_at(check.when() + 0.01, read_late)  # as if the loop came to the timer before it came to the socket

    assert await future == b"OK"
    assert not line.wire.aborted


async def test_finishing_waits_for_the_replies() -> None:
    line = Line()
    future = line.send()
    await _turn()

    line.connection.finish()
    assert not line.wire.aborted
    line.answer(b"+OK\r\n")

    assert future.result() == b"OK"
    assert line.wire.aborted


async def test_a_server_that_is_no_master_any_more_is_reported() -> None:
    line = Line()
    future = line.send()
    await _turn()

    line.answer(b"-READONLY You can't write against a read only replica.\r\n")

    assert isinstance(future.exception(), RedisReplyError)
    assert line.owner.reports == ["demoted"]


@pytest.mark.parametrize("text", ["LOADING dataset", "BUSY script", "MASTERDOWN link", "CLUSTERDOWN", "TRYAGAIN later"])
async def test_a_server_that_cannot_yet_is_unavailable(text: str) -> None:
    line = Line()
    future = line.send()
    await _turn()

    line.answer(b"-%b\r\n" % text.encode())

    error = future.exception()
    assert isinstance(error, RedisError)
    assert type(error).__name__ == "RedisNotReady"


async def test_values_that_an_error_repeats_are_cut_off() -> None:
    line = Line()
    future = line.send()
    await _turn()

    line.answer(b"-ERR unknown command 'X', with args beginning with: 'hunter2' 'b'\r\n")

    assert str(future.exception()) == "peer:1: ERR unknown command 'X'"
