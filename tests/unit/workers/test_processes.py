"""Keeping forked processes alive; in a process of its own each, since forking here would copy the tests."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

_PROGRAM = """
import os, signal, sys
from outpost.telemetry.logs import configure_logging
from outpost.workers.processes import Child, Processes

def lives():
    with open({marks!r}, "ab") as marks:
        marks.write(b".")
    return os.path.getsize({marks!r})

configure_logging("info", direct=True)
end = Processes({count}, hopeless=64, stop_seconds={stop_seconds}).run()
if isinstance(end, Child):
{work}
    os._exit(0)
sys.exit(end)
"""


def _run(folder: Path, work: str, *, count: int, stop_seconds: float = 10) -> tuple[int, str]:
    """Run processes that do `work`; return the exit code of all and what was logged."""
    body = textwrap.indent(textwrap.dedent(work), "    ")
    program = _PROGRAM.format(count=count, stop_seconds=stop_seconds, work=body, marks=str(folder / "marks"))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    return done.returncode, done.stderr


def test_the_others_start_only_once_the_first_is_ready(tmp_path: Path) -> None:
    work = """
    if lives() == 1:
        end.tell_ready()
    else:
        os.kill(end.parent, signal.SIGTERM)
    signal.pause()
    """

    code, log = _run(tmp_path, work, count=2)

    assert code == 0
    assert re.findall(r'"process started","[^}]*"process":(\d)', log) == ["1", "2"]


def test_one_that_ends_is_started_again_after_a_growing_pause(tmp_path: Path) -> None:
    work = """
    if lives() < 4:
        os._exit(3)
    os.kill(end.parent, signal.SIGTERM)
    signal.pause()
    """

    code, log = _run(tmp_path, work, count=1)

    assert code == 0
    assert re.findall(r'"exit_code":3,"pause_seconds":([\d.]+)', log) == ["0.2", "0.4", "0.8"]


def test_one_that_cannot_work_ends_all_with_its_code(tmp_path: Path) -> None:
    work = """
    if lives() == 1:
        end.tell_ready()
        signal.pause()
    os._exit(64)
    """

    code, log = _run(tmp_path, work, count=2)

    assert code == 64
    assert "SIGTERM" in log


def test_one_that_does_not_end_in_time_is_killed(tmp_path: Path) -> None:
    work = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(end.parent, signal.SIGTERM)
    while True:
        signal.pause()
    """

    code, log = _run(tmp_path, work, count=1, stop_seconds=0.2)

    assert code == 1
    assert "SIGKILL" in log


def test_a_process_has_its_signals_as_they_were(tmp_path: Path) -> None:
    work = """
    usual = signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL and not signal.pthread_sigmask(signal.SIG_BLOCK, ())
    os._exit(64 if usual else 0)
    """

    assert _run(tmp_path, work, count=1)[0] == 64
