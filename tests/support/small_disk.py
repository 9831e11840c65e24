"""A disk that is soon full."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

_SMALL = 8 * 1024 * 1024
_LARGE = 256 * 1024 * 1024


class SmallDisk(Protocol):
    """Where a program may write 8 MiB until it is given more.

    Attributes:
        folder: On the disk.
    """

    folder: Path

    def limit(self) -> None:
        """Called in the program before it starts."""

    def make_room(self, pid: int) -> None:
        """Let the running program write more."""


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """A file system of its own where this process may mount one, else the kernel's limit on the size of a file."""
    if not _mounted(folder):
        yield _FileSizeLimit(folder)
        return
    try:
        yield _FileSystem(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


class _FileSystem:
    """Full means ENOSPC."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def limit(self) -> None: ...

    def make_room(self, pid: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={_LARGE}", self.folder], check=True)


class _FileSizeLimit:
    """Full means EFBIG."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def limit(self) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (_SMALL, hard))

    def make_room(self, pid: int) -> None:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _mounted(folder: Path) -> bool:
    if os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SMALL}", "tmpfs", folder]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
