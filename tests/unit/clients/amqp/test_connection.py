"""One connection, against a peer that says what it likes. The transport is the test's own: every byte is in view."""

import asyncio
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.clients.amqp import AmqpConnectionLost, AmqpLoginRefused, AmqpNotConnected, AmqpOptions
from outpost.clients.amqp.frames import HEARTBEAT_FRAME, PROTOCOL_HEADER, frame
from outpost.clients.amqp.heartbeat import Heartbeat
from outpost.clients.amqp.values import long_string, short_string
from tests.support.amqp_broker import (
    BLOCKED,
    CHANNEL_OPEN_OK,
    OPEN_OK,
    UNBLOCKED,
    Line,
    close,
    content,
    deliver,
    method,
    start,
    tune,
)


def method_id(payload: bytes) -> tuple[int, int]:
    class_, number = struct.unpack_from(">HH", payload)
    return class_, number


async def test_it_introduces_itself_logs_in_and_names_the_virtual_host() -> None:
    line = Line(AmqpOptions(host="peer", user="me", password="sécret", virtual_host="mine", name="outpost"))
    assert line.wire.writes == [PROTOCOL_HEADER]

    line.say(start())
    ((_, channel, login),) = await line.frames()
    assert (channel, method_id(login)) == (0, (10, 11))
    assert long_string("\0me\0sécret".encode()) in login
    assert short_string("connection_name") + b"S" + long_string(b"outpost") in login

    line.say(tune(channel_max=9, frame_max=8192, heartbeat=60))
    (_, _, tuned), (_, _, opening) = await line.frames()
    assert tuned == struct.pack(">HHHIH", 10, 31, 9, 8192, 10)
    assert opening == struct.pack(">HH", 10, 40) + short_string("mine") + b"\x00\x00"

    line.say(OPEN_OK)
    await line.connection.opened()
    assert line.connection.max_frame == 8192
    line.connection.end("test")


async def test_it_opens_when_every_byte_comes_alone() -> None:
    line = Line()

    for byte in start() + tune() + OPEN_OK:
        line.say(bytes((byte,)))

    await line.connection.opened()


@pytest.mark.parametrize("code", [403, 530])
async def test_a_refused_login_is_told_from_a_lost_connection(code: int) -> None:
    line = Line(AmqpOptions(host="peer", port=1, password="secret"))
    line.say(start())

    line.say(close(0, code, "ACCESS_REFUSED - Login was refused"))

    with pytest.raises(
        AmqpLoginRefused, match=f"peer:1: the broker does not let us in: {code} ACCESS_REFUSED"
    ) as caught:
        await line.connection.opened()
    assert "secret" not in str(caught.value)


async def test_a_broker_without_plain_login_is_refused() -> None:
    line = Line()

    line.say(start(mechanisms=b"EXTERNAL PLAINISH"))

    with pytest.raises(AmqpLoginRefused, match="mechanism PLAIN"):
        await line.connection.opened()


async def test_a_broker_that_hangs_up_during_login_is_named() -> None:
    line = Line()
    line.say(start())

    line.connection.connection_lost(None)

    with pytest.raises(AmqpNotConnected, match="closed the connection before it let us in"):
        await line.connection.opened()


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (b"AMQP\x00\x01\x00\x00", "another version"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak AMQP"),
        (frame(1, 0, b"\x00"), "beyond the end"),
        (tune(frame_max=100), "too small"),
        (method(0, 10, 99), "method 10.99"),
        (method(7, 60, 60, b"\x011"), "channel that is not open"),
        (frame(3, 0, b"body"), "outside of a channel"),
        (frame(9, 0, b""), "does not speak AMQP|outside of a channel"),
    ],
)
async def test_a_peer_that_breaks_the_protocol_is_left(said: bytes, what: str) -> None:
    line = Line()

    line.say(said)

    assert line.wire.closed
    with pytest.raises(AmqpNotConnected, match=what):
        await line.connection.opened()


async def test_what_one_turn_asked_for_leaves_in_one_write() -> None:
    line = await Line().opened()
    channel = await line.channel(confirms=True)
    publisher = channel.publisher(exchange="x", routing_key="k")

    confirmed = [publisher.send([b"one"]), publisher.send([b"two", b"three"])]
    channel.nack(7)
    channel.ack([1, 2])
    await line.turn()

    assert len(line.wire.writes) == 1
    line.connection.end("test")
    await asyncio.gather(*confirmed, return_exceptions=True)


async def test_what_was_acknowledged_leaves_before_the_goodbye() -> None:
    line = await Line().opened()
    channel = await line.channel()
    channel.ack([1, 2])

    closing = asyncio.create_task(line.connection.close())
    await line.turn()
    frames = line.wire.frames()
    line.say(method(0, 10, 51))
    line.connection.connection_lost(None)
    await closing

    assert [method_id(payload) for _, _, payload in frames] == [(60, 80), (10, 50)]


async def test_the_broker_may_close_and_gets_an_answer() -> None:
    line = await Line().opened()
    channel = await line.channel(confirms=True)
    confirmed = channel.publisher(exchange="x", routing_key="k").send([b"one"])

    line.say(close(0, 320, "CONNECTION_FORCED - shutdown"))

    assert method_id(line.wire.frames()[-1][2]) == (10, 51)
    assert line.wire.closed
    with pytest.raises(AmqpConnectionLost, match="320 CONNECTION_FORCED - shutdown"):
        await confirmed
    assert not line.connection.is_open
    assert "320 CONNECTION_FORCED" in str(await channel.ended())
    with pytest.raises(AmqpNotConnected, match="320 CONNECTION_FORCED"):
        await line.connection.channel()


async def test_nothing_is_heard_after_the_end() -> None:
    line = await Line().opened()

    line.say(close(0, 320, "bye"), b"not AMQP at all")

    line.connection.connection_lost(None)
    with pytest.raises(AmqpNotConnected, match="320 bye"):
        await line.connection.channel()


async def test_the_broker_says_when_it_takes_nothing() -> None:
    line = await Line().opened()
    assert line.connection.blocked is None

    line.say(BLOCKED)
    assert line.connection.blocked == "low on memory"

    line.say(UNBLOCKED)
    assert line.connection.blocked is None


async def test_a_full_transport_is_waited_for() -> None:
    line = await Line().opened()
    channel = await line.channel(confirms=True)
    publisher = channel.publisher(exchange="x", routing_key="k")
    line.connection.pause_writing()
    waiting = asyncio.create_task(line.connection.room())

    confirmed = publisher.send([b"one"])
    channel.ack([1])
    assert await line.frames() == []
    assert not waiting.done()

    line.connection.resume_writing()
    await waiting
    assert [method_id(payload) for kind, _, payload in await line.frames() if kind == 1] == [(60, 80), (60, 40)]
    line.connection.end("test")
    await asyncio.gather(confirmed, return_exceptions=True)


async def test_all_channels_may_be_in_use() -> None:
    line = Line()
    line.say(start(), tune(channel_max=1), OPEN_OK)
    await line.connection.opened()
    channel = await line.channel()

    with pytest.raises(AmqpNotConnected, match="all channels"):
        await line.connection.channel()

    closing = asyncio.create_task(channel.close())
    await line.turn()
    line.say(method(1, 20, 41))
    await closing
    assert (await line.channel()).number == 1


async def test_a_channel_number_of_a_connection_that_ends_while_it_opens_is_no_channel() -> None:
    line = await Line().opened()
    opening = asyncio.create_task(line.connection.channel())
    await line.turn()

    line.connection.connection_lost(ConnectionResetError())

    with pytest.raises(AmqpConnectionLost, match="broke off"):
        await opening


# Heartbeats.


class Heart:
    """Counts what a heartbeat does; turns pass as fast as they can."""

    def __init__(self) -> None:
        self.beats = 0
        self.ended = asyncio.Event()
        self.heartbeat = Heartbeat(asyncio.get_running_loop(), beat=self.beat, dead=self.ended.set)
        self.heartbeat.start(0.0)

    def beat(self) -> None:
        self.beats += 1


async def test_a_silent_peer_is_given_up_after_two_intervals() -> None:
    heart = Heart()

    await heart.ended.wait()

    assert heart.beats == 3  # it was heard, and had heard, in the first of five turns


async def test_a_peer_that_is_heard_is_kept() -> None:
    heart = Heart()
    for _ in range(20):
        heart.heartbeat.heard = True
        await asyncio.sleep(0)

    heart.heartbeat.stop()
    assert not heart.ended.is_set()


async def test_whoever_writes_anyway_needs_no_heartbeat() -> None:
    heart = Heart()
    while not heart.ended.is_set():
        heart.heartbeat.spoke = True
        await asyncio.sleep(0)

    assert heart.beats == 0


async def test_a_connection_beats_and_notices_silence() -> None:
    line = await Line(AmqpOptions(heartbeat=0)).opened()
    line.connection._heartbeat.start(0.002)

    channel = await line.channel()
    assert "no heartbeat" in str(await channel.ended())
    assert HEARTBEAT_FRAME in line.wire.writes


@pytest.mark.parametrize(("theirs", "ours", "agreed"), [(60, 10, 10), (5, 10, 5), (0, 10, 10), (60, 0, 60), (0, 0, 0)])
async def test_the_shorter_heartbeat_is_agreed_on(theirs: int, ours: int, agreed: int) -> None:
    line = Line(AmqpOptions(heartbeat=ours))
    line.say(start())
    await line.frames()

    line.say(tune(heartbeat=theirs))

    assert struct.unpack(">H", (await line.frames())[0][2][-2:]) == (agreed,)
    line.connection.end("test")


# Hostile peers.

USUAL = (
    start(),
    tune(),
    OPEN_OK,
    CHANNEL_OPEN_OK,
    BLOCKED,
    deliver(1, b"body"),
    content(b"lost"),
    close(1, 404, "gone"),
)


@settings(max_examples=300)
@given(st.data())
def test_no_damage_to_what_a_broker_says_does_more_than_end_the_connection(data: st.DataObject) -> None:
    async def meet() -> None:
        line = Line()
        line.say(start(), tune(), OPEN_OK)
        opening = asyncio.create_task(line.connection.channel())
        await line.turn()
        line.say(CHANNEL_OPEN_OK)
        channel = await opening
        consuming = asyncio.create_task(channel.consume("q", lambda tag, redelivered, body: None, lambda: None))
        await line.turn()
        said = bytearray(b"".join(data.draw(st.lists(st.sampled_from(USUAL), min_size=1, max_size=4))))
        for _ in range(data.draw(st.integers(1, 4))):
            said[data.draw(st.integers(0, len(said) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(0, len(said)))

        line.say(bytes(said[:cut]))
        line.say(bytes(said[cut:]))

        line.connection.end("test")
        await asyncio.gather(consuming, return_exceptions=True)

    asyncio.run(meet())


@given(st.lists(st.tuples(st.sampled_from([1, 2, 3, 8]), st.integers(0, 1), st.binary(max_size=24)), max_size=6))
def test_no_frames_do_more_than_end_the_connection(frames: list[tuple[int, int, bytes]]) -> None:
    async def meet() -> None:
        line = Line()

        line.say(*(frame(*each) for each in frames))

        line.connection.end("test")

    asyncio.run(meet())
