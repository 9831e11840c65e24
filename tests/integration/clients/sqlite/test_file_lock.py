"""One process at a time."""

import os
from pathlib import Path

import pytest

from outpost.clients.sqlite import DatabaseBusy, FileLock
from tests.integration.clients.sqlite.outside import another_process

_HOLD = """
import sys
from pathlib import Path
from outpost.clients.sqlite import FileLock

with FileLock(Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    with (
        another_process(_HOLD, path) as holder,
        pytest.raises(DatabaseBusy, match=rf"test\.db\.lock is locked by process {holder.pid}$"),
        FileLock(path),
    ):
        pass


@pytest.mark.parametrize("how", ["kill", "leave"])
def test_it_is_free_when_its_holder_has_ended(tmp_path: Path, how: str) -> None:
    path = tmp_path / "test.db"
    with another_process(_HOLD, path) as holder:
        if how == "kill":
            holder.kill()
            holder.wait()
        else:
            holder.communicate("\n")

        with FileLock(path):
            assert (tmp_path / "test.db.lock").read_text() == f"{os.getpid()}\n"


def test_in_one_process_it_is_held_once_too(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    with FileLock(path):
        with pytest.raises(DatabaseBusy, match=f"process {os.getpid()}"), FileLock(path):
            pass
        with pytest.raises(DatabaseBusy), FileLock(path):  # the refusal freed nothing
            pass
    with FileLock(path):
        pass


def test_locks_of_other_files_do_not_matter(tmp_path: Path) -> None:
    with FileLock(tmp_path / "one.db"), FileLock(tmp_path / "two.db"):
        pass


def test_a_holder_that_could_not_write_its_name_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    with FileLock(path):
        (tmp_path / "test.db.lock").write_text("")

        with pytest.raises(DatabaseBusy, match="process unknown"), FileLock(path):
            pass


def test_it_holds_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    path = tmp_path / "test.db"
    with FileLock(path), pytest.raises(DatabaseBusy), FileLock(path):
        pass


def test_the_lock_file_is_its_owners_alone(tmp_path: Path) -> None:
    with FileLock(tmp_path / "test.db"):
        assert (tmp_path / "test.db.lock").stat().st_mode & 0o077 == 0


def test_a_folder_that_does_not_exist_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), FileLock(tmp_path / "missing" / "test.db"):
        pass
