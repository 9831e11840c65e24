"""Asking a person yes or no."""

import asyncio
import contextlib
import sys

from outpost.cli.output import OutputLost, say


def can_ask() -> bool:
    """Say whether there is a terminal, so that somebody may answer."""
    return sys.stdin is not None and sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison] closed: None


async def confirmed(question: str) -> bool:
    """Ask on the terminal; cancelling, as Ctrl-C does, ends it at once.

    `y` and `yes` in any case are yes; everything else, an empty line and the end of input included, is no.

    Raises:
        OutputLost: Nobody can see the question.
    """
    say(f"{question} [y/N] ", end="")
    try:
        await _line_is_there()
    except asyncio.CancelledError:
        with contextlib.suppress(OutputLost):
            say("")
        raise
    try:
        answer = sys.stdin.readline()
    except OSError:  # the terminal has gone
        answer = ""
    return answer.strip().lower() in ("y", "yes")


async def _line_is_there() -> None:
    """Wait for a line on the terminal, which hands out whole ones; the loop goes on meanwhile, and hears signals."""
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    loop.add_reader(sys.stdin, there.set)
    try:
        await there.wait()
    finally:
        loop.remove_reader(sys.stdin)
