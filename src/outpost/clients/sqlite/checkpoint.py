"""Copying the write-ahead log into the database file, beside the writer instead of in its way."""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

_ROWS_BETWEEN = 4_000
"""Changed rows after which the log is copied; of usual size they make some 10 MiB of log."""
_LOG_KEPT = 16 * 1024 * 1024
"""Bytes of the file that stay when the log starts again from its beginning: writing over them costs the file system
less than making a file longer. A longer file tells of rows that are larger than usual, and is copied at once."""
_LOG_LIMIT = 64 * 1024 * 1024
"""Bytes of log past which the writer waits for readers, so that it stays bounded under any load."""
_GROWTH_BETWEEN = 16 * 1024 * 1024
"""Bytes by which it may grow until the next try, if a reader was in the way."""
_WAIT_FOR_READERS_MS = 250
"""How long the writer waits for readers of the log to end. One that takes longer, such as a backup, lets the log grow
while it reads; the alternative is that nobody can write for that long."""


class Checkpointer:
    """Copies the log in a thread of its own whenever enough was written.

    A passive checkpoint works while the writer appends, but the log starts again from its beginning only when all of
    it has been copied, and under constant load that moment never comes by itself. So once the thread is done, the
    writer copies the little that was appended meanwhile, and starts the log again.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], *, writer: sqlite3.Connection, file: Path) -> None:
        """Start the thread.

        Args:
            connect: Opens a connection for it.
            writer: The connection whose log it is, used between its transactions only.
            file: The database file, without symbolic links.
        """
        writer.execute(f"PRAGMA journal_size_limit = {_GROWTH_BETWEEN}").fetchone()
        self._writer = writer
        self._connection = connect()
        self._log = f"{file}-wal"
        self._copied_at = 0
        self._restart_at = _LOG_LIMIT
        self._is_copying = False
        self._is_copied = False
        self._copying = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._copy_when_woken, name="sqlite-checkpoint", daemon=True)
        self._thread.start()

    def after_commit(self) -> None:
        """Called by the writer thread between transactions. Raises nothing: what was committed is safe in the log."""
        rows, size = self._writer.total_changes, self._log_size()
        if size >= self._restart_at:
            # If a reader is in the way, the next try waits for more growth: each keeps the writer waiting.
            is_restarted = self._restart_log(wait_ms=_WAIT_FOR_READERS_MS)
            self._restart_at = _LOG_LIMIT if is_restarted else size + _GROWTH_BETWEEN
        elif self._is_copied:
            self._is_copied = self._is_copying = False
            self._copied_at = rows
            self._restart_log(wait_ms=0)
        elif not self._is_copying and (rows - self._copied_at >= _ROWS_BETWEEN or size > _LOG_KEPT):
            self._is_copying = True
            self._wake.set()

    def close(self) -> None:
        """Stop the thread and leave an empty log, if nobody else reads the file."""
        self._stopped = True
        self._wake.set()
        self._thread.join()
        self._connection.close()
        with contextlib.suppress(sqlite3.Error):  # nothing is lost: the log is replayed when the file is next opened
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _restart_log(self, *, wait_ms: int) -> bool:
        """Copy what is left of the log, so that the next transaction writes to its beginning; return whether it will.

        SQLite does not wait for another checkpoint to end, hence the lock.
        """
        writer = self._writer
        try:
            (timeout,) = writer.execute("PRAGMA busy_timeout").fetchone()
            writer.execute(f"PRAGMA busy_timeout = {wait_ms}")
            try:
                with self._copying:
                    busy, _, _ = writer.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            finally:
                writer.execute(f"PRAGMA busy_timeout = {timeout}")
        except sqlite3.Error:
            return False  # a full disk or an I/O error: the next transaction meets it too, and reports it
        return not busy

    def _log_size(self) -> int:
        try:
            return os.stat(self._log).st_size
        except OSError:
            return 0

    def _copy_when_woken(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._stopped:
                return
            # A full disk or an I/O error: the writer meets it too, and reports it.
            with contextlib.suppress(sqlite3.Error), self._copying:
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            self._is_copied = True
