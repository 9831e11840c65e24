"""What the process itself needs before and while it serves: file descriptors, thread switching, signals, memory."""

import asyncio
import contextlib
import gc
import resource
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_DESCRIPTORS = 65_536


def run_in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end on the fastest event loop there is."""
    try:
        import uvloop
    except ImportError:  # no wheel for this platform; asyncio's own loop does the same work
        loop_factory = None
    else:
        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(work)


def prepare() -> None:
    """Raise the limits that hundreds of connections need, and keep two threads from waiting on each other."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _DESCRIPTORS:
        wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    # The writer thread gives the interpreter lock back at each statement; by default it would wait 5 ms to get it
    # again from a busy loop.
    sys.setswitchinterval(0.0005)


def settle_memory() -> None:
    """Take what start-up made out of the garbage collector's rounds; call it once everything is open."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def stop_signal(lifeline: int | None = None) -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets.

    Args:
        lifeline: A file descriptor whose end sets it, too.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if lifeline is not None:

        def cut() -> None:
            loop.remove_reader(lifeline)
            stop.set()

        loop.add_reader(lifeline, cut)
    return stop
