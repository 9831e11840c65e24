"""`outpost migrate` where nobody takes what it writes: a full disk, a reader or terminal that has left."""

import asyncio
import fcntl
import os
import pty
import signal
import sys
import termios
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.support.process import OutpostProcess

Lost = Callable[[], AbstractContextManager[int]]
STANDING = {"OUTPOST_MIGRATE_TESTING": "1", "OUTPOST_MIGRATE_FAILPOINT": "sqlite.statement:3:stop"}
FULL = "Error: standard output cannot be written: No space left on device\n"


@pytest.fixture
async def outpost(tmp_path: Path) -> AsyncIterator[OutpostProcess]:
    async with OutpostProcess(tmp_path) as outpost:
        yield outpost


@contextmanager
def _full() -> Generator[int]:
    """A file on a disk that is full."""
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _unread() -> Generator[int]:
    """A pipe whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


@contextmanager
def _hung_up() -> Generator[int]:
    """A terminal that was closed."""
    ours, theirs = pty.openpty()
    os.close(ours)
    try:
        yield theirs
    finally:
        os.close(theirs)


async def _run(
    outpost: OutpostProcess, *arguments: str, stdin: int | None = None, out: int | None = None, err: int | None = None
) -> tuple[int, str, str]:
    """Run a migrate command on open files; return its exit code and what it wrote to those that were not given."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "outpost",
        "migrate",
        *arguments,
        env={**os.environ, **outpost.settings},
        stdin=asyncio.subprocess.DEVNULL if stdin is None else stdin,
        stdout=asyncio.subprocess.PIPE if out is None else out,
        stderr=asyncio.subprocess.PIPE if err is None else err,
    )
    async with asyncio.timeout(30):
        written, complained = await process.communicate()
    assert process.returncode is not None
    return process.returncode, (written or b"").decode(), (complained or b"").decode()


async def _outcomes(outpost: OutpostProcess) -> list[str]:
    """Return how the recorded runs ended; fail if a migration is pending or the lock is held."""
    _, status, _ = await outpost.run("migrate", "status")
    assert "1 of 1 applied" in status
    assert "Lock      free" in status
    _, history, _ = await outpost.run("migrate", "history")
    return [line.split()[4] for line in history.splitlines()[1:]]


READING = [["list"], ["plan"], ["plan", "--json"], ["status", "--watch"], ["verify"], ["history"], ["doctor"]]


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
async def test_a_report_on_a_full_disk_is_one_error_and_74(outpost: OutpostProcess, arguments: list[str]) -> None:
    with _full() as full:
        code, _, err = await _run(outpost, *arguments, out=full)

    assert (code, err) == (74, FULL)


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
async def test_a_report_ends_quietly_when_its_reader_has_left(outpost: OutpostProcess, arguments: list[str]) -> None:
    with _unread() as unread:
        code, _, err = await _run(outpost, *arguments, out=unread)

    assert (code, err) == (74, "")


@pytest.mark.parametrize("line", ["--version", "migrate --help-settings", "config list"])
async def test_the_whole_program_tells_of_a_full_disk(line: str) -> None:
    with _full() as full:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "outpost", *line.split(), stdout=full, stderr=asyncio.subprocess.PIPE
        )
        _, err = await process.communicate()

    assert (process.returncode, err.decode()) == (74, FULL)


@pytest.mark.parametrize("lost", [_full, _unread, _hung_up])
@pytest.mark.parametrize("extra", [[], ["--json"]], ids=["text", "json"])
async def test_a_run_whose_answer_is_lost_is_done_to_its_end(
    outpost: OutpostProcess, lost: Lost, extra: list[str]
) -> None:
    with lost() as descriptor:
        code, _, err = await _run(outpost, "apply", "--yes", *extra, out=descriptor)

    assert code == 74
    assert "Traceback" not in err
    assert await _outcomes(outpost) == ["ok"]


@pytest.mark.parametrize("lost", [_full, _unread, _hung_up])
async def test_a_run_whose_progress_nobody_sees_goes_on_and_is_well(outpost: OutpostProcess, lost: Lost) -> None:
    with lost() as descriptor:
        code, out, _ = await _run(outpost, "apply", "--yes", err=descriptor)

    assert code == 0
    assert "Applied:" in out
    assert await _outcomes(outpost) == ["ok"]


async def test_a_run_with_nothing_open_to_write_to_is_done(outpost: OutpostProcess) -> None:
    process = await asyncio.create_subprocess_shell(
        f'"{sys.executable}" -m outpost migrate apply --yes >&- 2>&-', env={**os.environ, **outpost.settings}
    )

    assert await process.wait() == 0
    assert await _outcomes(outpost) == ["ok"]


async def test_events_that_cannot_be_written_do_not_end_the_run_and_are_told(outpost: OutpostProcess) -> None:
    code, out, err = await _run(outpost, "apply", "--yes", "--events", "/dev/full")

    assert code == 74
    assert "Applied:" in out
    assert err.endswith("Error: --events /dev/full cannot be written: No space left on device\n")
    assert await _outcomes(outpost) == ["ok"]


async def test_events_whose_reader_has_left_do_not_end_the_run(outpost: OutpostProcess) -> None:
    with _unread() as unread:
        code, _, err = await _run(outpost, "apply", "--yes", "--json", "--events", "-", out=unread)

    assert code == 74
    assert "Error" not in err
    assert await _outcomes(outpost) == ["ok"]


async def test_what_nobody_can_read_is_not_asked(outpost: OutpostProcess) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, b"yes\n")
    try:
        with _full() as full:
            code, _, err = await _run(outpost, "apply", stdin=theirs, out=full)
    finally:
        os.close(ours)
        os.close(theirs)

    assert (code, err) == (74, FULL)
    assert not outpost.database.exists()


async def test_why_a_command_failed_matters_more_than_a_lost_answer(outpost: OutpostProcess) -> None:
    outpost.database.write_bytes(b"no database at all, but long enough to be read as one" * 30)
    with _full() as full, _unread() as unread:
        to_a_full_disk, *_ = await _run(outpost, "apply", "--yes", "--json", out=full, err=unread)
        to_nobody, *_ = await _run(outpost, "apply", "--yes", out=unread, err=full)
        wrong_usage, *_ = await _run(outpost, "plan", "--json", "--redis-only", out=full, err=unread)

    assert (to_a_full_disk, to_nobody, wrong_usage) == (16, 16, 64)


async def test_a_run_whose_terminal_goes_away_ends_after_a_checkpoint(outpost: OutpostProcess) -> None:
    ours, theirs = pty.openpty()

    def begin_session() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "outpost",
        "migrate",
        "apply",
        "--yes",
        env={**os.environ, **outpost.settings, **STANDING},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=begin_session,
    )
    os.close(theirs)
    async with asyncio.timeout(30):
        while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            await asyncio.sleep(0.02)
        os.close(ours)
        code = await process.wait()
    again, *_ = await _run(outpost, "apply", "--yes", "--lock-timeout", "0")

    assert (code, again) == (129, 0)
    assert (await _outcomes(outpost))[0] == "interrupted"
