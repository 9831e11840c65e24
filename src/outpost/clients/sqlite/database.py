"""One SQLite file: a writer that commits in groups, and connections that read beside it.

`synchronous=FULL`: what a future reports as written has been flushed to disk.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from outpost.clients.sqlite.checkpoint import Checkpointer
from outpost.clients.sqlite.errors import DatabaseUnavailable, translated
from outpost.clients.sqlite.writer import Pending, Writer

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]

_READERS = 4


class Database:
    """An open SQLite file, which must exist. Use `async with`; it belongs to the event loop that opens it."""

    def __init__(self, path: Path, *, patience: float = 10.0) -> None:
        """Name a file; nothing is opened.

        Args:
            patience: Seconds to wait for another process that holds the file.
        """
        self.path = path
        self._patience = patience
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._open = False

    async def __aenter__(self) -> "Database":
        """Open the file.

        Raises:
            DatabaseUnavailable: It does not exist or cannot be opened.
            DatabaseCorrupted: It is damaged, or not a database.
        """
        self._loop = asyncio.get_running_loop()
        self._connection = self._connect()
        self._checkpointer = Checkpointer(self._connect, writer=self._connection, file=self.path.resolve())
        self._executor = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-reader")
        self._writer = Writer(self._connection, self._checkpointer, patience=self._patience)
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what was handed in, copy the log into the file and close it."""
        self._open = False
        await self._writer.close()
        await asyncio.to_thread(self._close)

    def write(self, operation: Operation[T], *, is_long: bool = False) -> "asyncio.Future[T]":
        """Run `operation` in a transaction; the future ends when it is on disk.

        The operation must change the database through its connection alone, leave the transaction open (so no
        `executescript`), and may be run more than once. What it raises, the future raises, and nothing of it is stored.
        Cancelling the future ends the waiting, not the operation.

        Args:
            is_long: It takes more than a few milliseconds and must not hold up the event loop.

        Raises (through the future):
            DatabaseUnavailable: The file cannot be written now; nothing of the operation was stored.
            DatabaseCorrupted: The file is damaged.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if self._open:
            self._writer.submit(Pending(operation, future, is_long=is_long))
        else:
            future.set_exception(self._closed())
        return future

    async def read(self, query: Operation[T]) -> T:
        """Run `query` on a reading connection, in a thread of its own. It sees what was committed before the call.

        Raises:
            DatabaseUnavailable, DatabaseCorrupted: as `write`; the former also if the query writes.
        """
        if not self._open:
            raise self._closed()
        return await self._loop.run_in_executor(self._executor, self._run_query, query)

    def _run_query(self, query: Operation[T]) -> T:
        try:
            return query(self._reading_connection())
        except (sqlite3.Error, StopIteration) as error:
            raise translated(error) from error

    def _closed(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(f"{self.path} is closed")

    def _reading_connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = 1")
            self._local.connection = connection
            self._readers.append(connection)
        return connection

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                f"{self.path.resolve().as_uri()}?mode=rw",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
                timeout=self._patience,
            )
        except sqlite3.Error as error:
            raise translated(error) from error
        try:
            connection.execute("PRAGMA journal_mode = WAL")  # the file's own already, unless restored from a dump
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("PRAGMA temp_store = MEMORY")  # else a statement of many rows makes a file of its own
            connection.execute("PRAGMA cache_size = -16384")
            connection.execute("PRAGMA mmap_size = 268435456")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error as error:
            connection.close()
            raise translated(error) from error
        return connection

    def _close(self) -> None:
        self._executor.shutdown()
        for connection in self._readers:
            connection.close()
        self._checkpointer.close()
        self._connection.close()
