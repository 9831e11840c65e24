"""One stream for the log lines of several processes."""

import fcntl
import os
import tempfile
from collections.abc import Callable
from typing import BinaryIO


class SharedStream:
    """A stream that this process and those forked from it write to, one after another, so that no line is torn.

    A pipe takes a long text in pieces, between which another process would write. The turn is a lock on a file that
    only these processes have open; the system takes it back from one that dies.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._turn = _nameless_file()

    def write(self, text: bytes) -> object:
        """Return once all of `text` is written; raises what the stream raises."""
        fcntl.lockf(self._turn, fcntl.LOCK_EX)
        try:
            self._stream.write(text)
            self._stream.flush()
        finally:
            fcntl.lockf(self._turn, fcntl.LOCK_UN)
        return len(text)

    def flush(self) -> None:
        """Do nothing: what was written has left."""


def _nameless_file() -> int:
    in_memory: Callable[[str], int] | None = getattr(os, "memfd_create", None)  # needs no disk; Linux only
    if in_memory is not None:
        return in_memory("outpost-log-turns")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
