"""A lock that one process holds beside a file for as long as it lives."""

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType

from outpost.clients.sqlite.errors import DatabaseBusy


class FileLock:
    """An exclusive lock on `<path>.lock`; the kernel frees it when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._descriptor: int | None = None

    def __enter__(self) -> "FileLock":
        """Take the lock.

        Raises:
            DatabaseBusy: Another process holds it; the message names that process.
            OSError: The lock file cannot be created, or its file system knows no locks.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise DatabaseBusy(f"{self._path} is locked by process {holder or 'unknown'}") from None
        except OSError:
            os.close(descriptor)
            raise
        with contextlib.suppress(OSError):  # a full disk: the lock holds, only its holder stays unnamed
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
