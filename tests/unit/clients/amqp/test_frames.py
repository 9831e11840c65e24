"""Cutting bytes into frames."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.clients.amqp.errors import ProtocolError
from outpost.clients.amqp.frames import MAX_FRAME, OVERHEAD, FrameReader, frame
from tests.support.amqp_broker import Frame

FRAMES = st.lists(st.tuples(st.sampled_from([1, 2, 3, 8]), st.integers(0, 0xFFFF), st.binary(max_size=50)), max_size=8)


class Cut:
    """A reader and the frames it has found."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.reader = FrameReader(
            lambda kind, channel, data, at, end: self.frames.append((kind, channel, data[at:end]))
        )


@given(FRAMES, st.lists(st.integers(0, 300)))
def test_frames_are_found_however_the_bytes_arrive(frames: list[Frame], cuts: list[int]) -> None:
    data = b"".join(frame(*each) for each in frames)
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    cut = Cut()

    for at, end in pairwise(places):
        cut.reader.feed(data[at:end])

    assert cut.frames == frames


def test_frames_are_found_one_byte_at_a_time() -> None:
    frames = [(1, 1, b"method"), (8, 0, b""), (3, 2, bytes(range(256)) * 20)]
    cut = Cut()

    for byte in b"".join(frame(*each) for each in frames):
        cut.reader.feed(bytes((byte,)))

    assert cut.frames == frames


def test_a_large_frame_in_many_pieces_is_looked_at_once() -> None:
    body = random.Random(1).randbytes(MAX_FRAME - OVERHEAD)
    cut = Cut()
    data = frame(3, 1, body)

    for at in range(0, len(data), 7):
        cut.reader.feed(data[at : at + 7])

    assert cut.frames == [(3, 1, body)]


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_an_error(data: bytes) -> None:
    cut = Cut()
    try:
        cut.reader.feed(data)
    except ProtocolError:
        return

    again = b"".join(frame(*each) for each in cut.frames)
    assert data.startswith(again)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (frame(1, 1, b"abc")[:-1] + b"\x00", "does not end where it should"),
        (b"\x01\x00\x01\xff\xff\xff\xff\x00", "larger than agreed"),
        (frame(3, 1, bytes(MAX_FRAME)), "larger than agreed"),
        (b"AMQP\x00\x01\x00\x00", "another version of AMQP"),
        (b"HTTP/1.1 400 Bad Request\r\n", "does not speak AMQP"),
    ],
)
def test_what_is_no_frame_is_named(data: bytes, what: str) -> None:
    with pytest.raises(ProtocolError, match=what):
        Cut().reader.feed(data)


def test_frames_are_limited_to_what_was_agreed() -> None:
    cut = Cut()
    cut.reader.max_frame = 4096

    cut.reader.feed(frame(3, 1, bytes(4096 - OVERHEAD)))
    with pytest.raises(ProtocolError, match="larger than agreed"):
        cut.reader.feed(frame(3, 1, bytes(4097 - OVERHEAD)))
