"""Copying the write-ahead log into the database file, beside the writer instead of in its way."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable

_ROWS_BETWEEN = 4_000
"""Changed rows after which the log is copied; some 10 MiB of log."""
_LOG_LIMIT_PAGES = 16_384
"""64 MiB of log. Past it the writer itself waits for a checkpoint, so that the log stays bounded under any load."""


class Checkpointer:
    """Copies the log in a thread of its own whenever enough was written.

    A passive checkpoint works while the writer appends, but the log starts again from its beginning only when all of
    it has been copied. Under constant load that moment may never come, hence the limit.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connection = connect()
        self._copied_at = 0
        self._log_too_long = False
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._copy_when_woken, name="sqlite-checkpoint", daemon=True)
        self._thread.start()

    def after_commit(self, writer: sqlite3.Connection) -> None:
        """Called by the writer thread between transactions."""
        if self._log_too_long:
            self._log_too_long = False
            writer.execute("PRAGMA wal_checkpoint(RESTART)")
        elif writer.total_changes - self._copied_at >= _ROWS_BETWEEN:
            self._copied_at = writer.total_changes
            self._wake.set()

    def close(self, writer: sqlite3.Connection) -> None:
        """Stop the thread and leave an empty log, if nobody else reads the file."""
        self._stopped = True
        self._wake.set()
        self._thread.join()
        self._connection.close()
        with contextlib.suppress(sqlite3.Error):  # nothing is lost: the log is replayed when the file is next opened
            writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _copy_when_woken(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._stopped:
                return
            try:
                _, pages, _ = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            except sqlite3.Error:
                continue  # a full disk or an I/O error: the writer meets it too, and reports it
            self._log_too_long = pages > _LOG_LIMIT_PAGES
