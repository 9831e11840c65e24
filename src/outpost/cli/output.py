"""What commands write, and what becomes of it where nobody takes it: a full disk, a reader or terminal that has left.

Standard output is what a command was asked for, so `say` raises when it is lost. Standard error speaks beside that:
what is lost there changes nothing, and `complain` goes on in silence.
"""

import contextlib
import os
import sys
from typing import IO


class OutputLost(Exception):
    """The answer of a command could not be written; whatever else it had to do is not harmed by that.

    Attributes:
        quiet: Its reader has left, as `head` does when it has had enough, and wants to hear no more.
    """

    def __init__(self, what: str, error: OSError) -> None:
        super().__init__(f"{what} cannot be written: {error.strerror or error}")
        self.quiet = isinstance(error, BrokenPipeError)


def say(text: str, *, end: str = "\n") -> None:
    """Print on standard output, at once.

    Raises:
        OutputLost: It cannot be written. What was said stays in its buffer, so a later call fails as well, or says it.
    """
    try:
        print(text, end=end, flush=True)
    except OSError as error:
        raise OutputLost("standard output", error) from None


def complain(text: str) -> None:
    """Print on standard error, if anybody listens there."""
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison] closed when the program started
        return
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def finish() -> None:
    """Write what is still buffered, and see to it that the interpreter, which tries again at its end, does not fail.

    Raises:
        OutputLost: Standard output cannot be written.
    """
    lost = _finished(sys.stdout)
    _finished(sys.stderr)
    if lost is not None:
        raise OutputLost("standard output", lost)


def _finished(stream: IO[str] | None) -> OSError | None:
    if stream is None:
        return None
    try:
        stream.flush()
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        return error
    return None
