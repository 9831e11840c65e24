"""One channel, against a peer that says what it likes."""

import asyncio
import struct

import pytest

from outpost.clients.amqp import AmqpChannelClosed, AmqpNacked, AmqpNotConnected, AmqpReturned, Channel, Properties
from outpost.clients.amqp.content import MAX_BODY
from outpost.clients.amqp.frames import HEADER, frame
from outpost.clients.amqp.values import short_string, table
from tests.support.amqp_broker import (
    CONSUME_OK,
    Line,
    close,
    confirm,
    content,
    deliver,
    method,
    returned,
)

Delivered = list[tuple[int, bool, bytes]]


async def consuming(line: Line, channel: Channel) -> Delivered:
    """Start a consumer, and return the list that its messages are put into."""
    delivered: Delivered = []
    asking = asyncio.create_task(channel.consume("queue", lambda *message: delivered.append(message), lambda: None))
    await line.turn()
    line.say(CONSUME_OK)
    assert await asking == "1"
    return delivered


# Publishing.


async def test_a_publication_is_three_frames() -> None:
    line = await Line().opened()
    channel = await line.channel(confirms=True)

    confirmed = channel.publisher(exchange="x", routing_key="k").send([b"body"])

    publish, header, body = await line.frames()
    assert publish == (1, 1, struct.pack(">HHH", 60, 40, 0) + short_string("x") + short_string("k") + b"\x01")
    assert header == (2, 1, struct.pack(">HHQHB", 60, 0, 4, 1 << 12, 2))
    assert body == (3, 1, b"body")
    line.say(confirm(1))
    await confirmed


async def test_an_empty_body_has_no_frame() -> None:
    line = await Line().opened()
    channel = await line.channel(confirms=True)

    confirmed = channel.publisher(exchange="x", routing_key="k").send([b""])

    assert [kind for kind, _, _ in await line.frames()] == [1, 2]
    line.say(confirm(1))
    await confirmed


@pytest.mark.parametrize(("size", "parts"), [(4088, [4088]), (4089, [4088, 1]), (8176, [4088, 4088])])
async def test_a_large_body_is_split_as_agreed(size: int, parts: list[int]) -> None:
    line = await Line().opened(frame_max=4096)
    channel = await line.channel(confirms=True)

    confirmed = channel.publisher(exchange="x", routing_key="k").send([bytes(size)])

    frames = await line.frames()
    assert frames[1][2][4:12] == size.to_bytes(8, "big")
    assert [len(payload) for _, _, payload in frames[2:]] == parts
    line.say(confirm(1))
    await confirmed


async def test_properties_come_in_the_order_of_their_flags() -> None:
    encoded = Properties(
        content_type="text/plain", headers={"a": 1}, durable=False, message_id="m1", timestamp=5
    ).encode()

    flags = 1 << 15 | 1 << 13 | 1 << 12 | 1 << 7 | 1 << 6
    values = short_string("text/plain") + table({"a": 1}) + b"\x01" + short_string("m1") + struct.pack(">Q", 5)
    assert encoded == struct.pack(">H", flags) + values


async def test_a_publication_that_is_not_stored_fails() -> None:
    line = await Line().opened()
    publisher = (await line.channel(confirms=True)).publisher(exchange="x", routing_key="k")
    first, second = publisher.send([b"one"]), publisher.send([b"two"])

    line.say(confirm(1, stored=False), confirm(2))

    await second
    with pytest.raises(AmqpNacked):
        await first


async def test_a_publication_that_comes_back_fails_and_its_body_is_skipped() -> None:
    line = await Line().opened()
    channel = await line.channel(confirms=True)
    delivered = await consuming(line, channel)
    confirmed = channel.publisher(exchange="x", routing_key="k").send([b"one"])

    line.say(returned(b"one", exchange="x", routing_key="k"), confirm(1), deliver(1, b"other"))

    with pytest.raises(AmqpReturned, match="exchange 'x' as 'k': NO_ROUTE"):
        await confirmed
    assert delivered == [(1, False, b"other")]


async def test_confirming_what_was_not_published_ends_the_connection() -> None:
    line = await Line().opened()
    channel = await line.channel(confirms=True)

    line.say(confirm(1))

    assert "confirms what was not published" in str(await channel.ended())


# Receiving.


@pytest.mark.parametrize("part", [1, 3, 1000])
async def test_bodies_are_put_together_however_they_arrive(part: int) -> None:
    line = await Line().opened()
    delivered = await consuming(line, await line.channel())

    for byte in deliver(1, b"one", part=part) + deliver(2, b"", redelivered=True) + deliver(3, b"x" * 10, part=part):
        line.say(bytes((byte,)))

    assert delivered == [(1, False, b"one"), (2, True, b""), (3, False, b"x" * 10)]


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (content(b"body"), "header where none belongs"),
        (deliver(1, b"body", consumer="2"), "consumer that was not asked for"),
        (method(1, 60, 60, b"\xffshort"), "beyond the end"),
        (deliver(1, b"")[: -len(content(b""))] * 2, "a message within another"),
        (method(1, 60, 60, short_string("1") + bytes(11)) + frame(HEADER, 1, b"short"), "half of one"),
    ],
)
async def test_a_delivery_out_of_order_ends_the_connection(said: bytes, what: str) -> None:
    line = await Line().opened()
    channel = await line.channel()
    await consuming(line, channel)

    line.say(said)

    assert what in str(await channel.ended())


async def test_a_body_longer_than_announced_ends_the_connection() -> None:
    line = await Line().opened()
    channel = await line.channel()
    delivered = await consuming(line, channel)
    announced = deliver(1, b"body")[: -len(content(b"body"))]

    line.say(announced, header(2), content(b"body")[len(header(4)) :])

    assert "more of a message than it announced" in str(await channel.ended())
    assert delivered == []


async def test_a_body_beyond_all_measure_ends_the_connection() -> None:
    line = await Line().opened()
    channel = await line.channel()
    await consuming(line, channel)

    line.say(deliver(1, b"")[: -len(content(b""))], header(MAX_BODY + 1))

    assert f"exceeds {MAX_BODY} bytes" in str(await channel.ended())


async def test_the_broker_may_end_a_consumer() -> None:
    line = await Line().opened()
    channel = await line.channel()
    cancelled: list[bool] = []
    asking = asyncio.create_task(channel.consume("queue", lambda *_: None, lambda: cancelled.append(True)))
    await line.turn()
    line.say(CONSUME_OK)
    await asking

    line.say(method(1, 60, 30, short_string("1") + b"\x01"))

    assert cancelled == [True]
    assert channel.is_open


async def test_a_consumer_can_be_ended_and_what_it_has_is_still_settled() -> None:
    line = await Line().opened()
    channel = await line.channel()
    delivered = await consuming(line, channel)
    ending = asyncio.create_task(channel.cancel("1"))
    await line.turn()
    line.say(deliver(1, b"late"), method(1, 60, 31, short_string("1")))
    await ending
    await line.frames()

    channel.ack([1])

    assert delivered == [(1, False, b"late")]
    assert [payload for _, _, payload in await line.frames()] == [struct.pack(">HHQB", 60, 80, 1, 0)]


async def test_settling_is_told_in_the_fewest_frames() -> None:
    line = await Line().opened()
    channel = await line.channel()

    channel.ack([2, 1])
    channel.ack([3, 6])
    channel.nack(4)
    channel.reject(8)
    channel.nack(9, requeue=False)

    ack, nack, reject = (60, 80), (60, 120), (60, 90)
    told = {struct.unpack(">HHQB", payload) for _, _, payload in await line.frames()}
    assert told == {(*ack, 3, 1), (*ack, 6, 0), (*nack, 4, 2), (*reject, 8, 1), (*nack, 9, 0)}


async def test_settling_after_the_end_does_nothing() -> None:
    line = await Line().opened()
    channel = await line.channel()
    channel.ack([1])

    line.say(close(1, 406, "PRECONDITION_FAILED - timeout"))
    channel.ack([2])
    channel.nack(3)
    channel.reject(4)

    assert [payload for _, _, payload in await line.frames()] == [struct.pack(">HH", 20, 41)]


async def test_what_is_refused_among_what_is_acknowledged_is_told_first() -> None:
    """An acknowledgement of many covers those below it, and the broker would not know the refused one any more."""
    line = await Line().opened()
    channel = await line.channel()

    channel.ack([1])
    channel.reject(2, requeue=False)
    channel.nack(3)
    channel.ack([4])

    told = [struct.unpack(">HHQB", payload) for _, _, payload in await line.frames()]
    assert told == [(60, 90, 2, 0), (60, 120, 3, 2), (60, 80, 4, 1)]


# The end.


async def test_a_refusal_closes_the_channel_and_says_why() -> None:
    line = await Line().opened()
    channel = await line.channel()
    declaring = asyncio.create_task(channel.queue_declare("q", passive=True))
    await line.turn()

    line.say(close(1, 404, "NOT_FOUND - no queue 'q'"))

    with pytest.raises(AmqpChannelClosed, match="404 NOT_FOUND - no queue 'q'") as caught:
        await declaring
    assert caught.value.code == 404
    assert not channel.is_open
    assert line.connection.is_open
    with pytest.raises(AmqpNotConnected, match="404 NOT_FOUND"):
        await channel.qos(1)
    with pytest.raises(AmqpNotConnected, match="404 NOT_FOUND"):
        channel.publisher(exchange="x", routing_key="k").send([b"one"])


async def test_a_channel_that_the_broker_closes_meanwhile_closes_all_the_same() -> None:
    line = await Line().opened()
    channel = await line.channel()
    closing = asyncio.create_task(channel.close())
    await line.turn()

    line.say(close(1, 406, "PRECONDITION_FAILED"))

    await closing
    assert not channel.is_open


async def test_answers_belong_to_questions_in_their_order() -> None:
    line = await Line().opened()
    channel = await line.channel()
    first = asyncio.create_task(channel.queue_declare("one"))
    second = asyncio.create_task(channel.queue_declare("two"))
    await line.turn()

    for name, messages in (("one", 1), ("two", 2)):
        line.say(method(1, 50, 11, short_string(name) + struct.pack(">II", messages, 0)))

    assert (await first).messages == 1
    assert (await second).messages == 2


async def test_a_question_that_was_given_up_keeps_its_answer() -> None:
    line = await Line().opened()
    channel = await line.channel()
    first = asyncio.create_task(channel.queue_declare("one"))
    await line.turn()
    first.cancel()
    second = asyncio.create_task(channel.queue_declare("two"))
    await line.turn()

    for name in ("one", "two"):
        line.say(method(1, 50, 11, short_string(name) + bytes(8)))

    assert (await second).name == "two"


async def test_an_answer_that_nobody_asked_for_ends_the_connection() -> None:
    line = await Line().opened()
    channel = await line.channel()

    line.say(method(1, 50, 11, short_string("q") + bytes(8)))

    assert "method 50.11, which nobody asked for" in str(await channel.ended())


async def test_a_request_to_pause_is_answered() -> None:
    line = await Line().opened()
    await line.channel()

    line.say(method(1, 20, 20, b"\x00"))

    assert [payload for _, _, payload in await line.frames()] == [struct.pack(">HHB", 20, 21, 0)]


def header(size: int) -> bytes:
    return frame(HEADER, 1, struct.pack(">HHQHB", 60, 0, size, 1 << 12, 2))
