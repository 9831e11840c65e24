"""Log lines of several processes in one stream."""

import os

from outpost.telemetry.shared_stream import SharedStream

_LINES = 20
_LENGTH = 200_000  # more than a pipe takes at once


def test_long_lines_of_two_processes_are_never_torn() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        stream = SharedStream(pipe)
        children = [_writes(stream, letter) for letter in (b"a", b"b")]
    with os.fdopen(reading, "rb") as pipe:
        lines = pipe.read().splitlines()
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0

    assert len(lines) == 2 * _LINES
    assert {(len(line), len(set(line))) for line in lines} == {(_LENGTH, 1)}


def _writes(stream: SharedStream, letter: bytes) -> int:
    """Fork a process that writes lines of one letter; return its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        for _ in range(_LINES):
            stream.write(letter * _LENGTH + b"\n")
    finally:
        os._exit(0)
