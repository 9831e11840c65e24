"""Opening the file of a line: to read without changing anything, or to migrate it."""

import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from outpost.migrations.errors import MigrationError, Refused, Unreachable

APPLICATION_ID = 0x0F057A11
"""Marks a file as Outpost's (SQLite file header, bytes 68-71), so that a foreign database is never migrated."""

_UNREADABLE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BUSY_SECONDS = 5.0


class LocalFile:
    """The SQLite file at `path`. Methods block; call them from a thread."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Say whether there is anything to read: a missing or empty file holds nothing."""
        if self.path.is_dir():
            raise Unreachable(f"SQLITE_PATH {self.path} is a folder; name a file in it")
        try:
            return self.path.stat().st_size > 0
        except FileNotFoundError:
            return False
        except OSError as error:
            raise Unreachable(f"SQLITE_PATH {self.path}: {error.strerror}") from None

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """A connection that cannot write; use it only if `exists`."""
        with self._translated(), closing(self._connect("ro")) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """A connection of explicit transactions; creates the file, readable by its owner only."""
        with self._translated():
            self._create()
            with closing(self._connect("rw")) as connection:
                yield connection

    def refuse_foreign(self, connection: sqlite3.Connection) -> None:
        """Raises Refused if the file holds another program's tables."""
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
        if mark == APPLICATION_ID:
            return
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if mark or tables:
            raise Refused(f"SQLITE_PATH {self.path} is a database of another program; name a new file")

    @staticmethod
    def has_table(connection: sqlite3.Connection, table: str) -> bool:
        query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
        return connection.execute(query, (table,)).fetchone() is not None

    def _create(self) -> None:
        if not self.path.parent.is_dir():
            raise Unreachable(f"SQLITE_PATH {self.path}: the folder {self.path.parent} does not exist; create it first")
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise Unreachable(f"SQLITE_PATH {self.path}: {error.strerror}") from None

    def _connect(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.resolve().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=_BUSY_SECONDS
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error:  # what it has opened is no database
            connection.close()
            raise
        return connection

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _UNREADABLE:  # the low byte is the primary code
                raise Refused(
                    f"SQLITE_PATH {self.path}: {error}; restore it from a backup, or name another file"
                ) from None
            if isinstance(error, sqlite3.OperationalError):
                raise Unreachable(f"SQLITE_PATH {self.path}: {error}") from None
            raise MigrationError(f"SQLITE_PATH {self.path}: {error}") from error
