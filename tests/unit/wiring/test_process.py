"""The process prepares itself. What it changes holds for all of it, so each test does so in a process of its own."""

import subprocess
import sys

import pytest


def _run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(("soft", "hard", "expected"), [(64, 128, 128), (128, 128, 128)])
def test_file_descriptors_are_raised_as_far_as_allowed(soft: int, hard: int, expected: int) -> None:
    program = f"""
import resource
from outpost.wiring.process import prepare
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
prepare()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    assert _run(program) == f"{expected} {hard}"


def test_file_descriptors_are_never_lowered() -> None:
    program = """
import resource
from outpost.wiring import process
before = resource.getrlimit(resource.RLIMIT_NOFILE)
process._DESCRIPTORS = 16
process.prepare()
print(resource.getrlimit(resource.RLIMIT_NOFILE) == before)
"""
    assert _run(program) == "True"


def test_threads_change_places_quickly() -> None:
    program = """
import sys
from outpost.wiring.process import prepare
prepare()
print(round(sys.getswitchinterval(), 6))
"""
    assert _run(program) == "0.0005"


def test_what_start_up_made_is_out_of_the_collectors_rounds() -> None:
    program = """
import gc
from outpost.wiring.process import settle_memory
settle_memory()
print(gc.get_freeze_count() > 1000, gc.get_threshold()[0], gc.isenabled())
"""
    assert _run(program) == "True 20000 True"


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_signal_asks_to_stop_and_does_not_end_the_process(number: str) -> None:
    program = f"""
import asyncio, os, signal
from outpost.wiring.process import run_in_loop, stop_signal

async def main():
    stop = stop_signal()
    print(stop.is_set())
    os.kill(os.getpid(), signal.{number})
    os.kill(os.getpid(), signal.{number})
    await asyncio.wait_for(stop.wait(), 10)
    return "ended"

print(run_in_loop(main()))
"""
    assert _run(program).split() == ["False", "ended"]


@pytest.mark.parametrize("hidden", [False, True])
def test_the_fastest_loop_there_is_runs_the_work(hidden: bool) -> None:
    program = f"""
import asyncio, sys
if {hidden}:
    sys.modules["uvloop"] = None
from outpost.wiring.process import run_in_loop

async def loop_module():
    return type(asyncio.get_running_loop()).__module__.split(".")[0]

print(run_in_loop(loop_module()))
"""
    if not hidden:
        pytest.importorskip("uvloop")
    assert _run(program) == ("asyncio" if hidden else "uvloop")


def test_what_the_work_raises_comes_through() -> None:
    program = """
from outpost.wiring.process import run_in_loop

async def fail():
    raise LookupError("here")

try:
    run_in_loop(fail())
except LookupError as error:
    print(error)
"""
    assert _run(program) == "here"
