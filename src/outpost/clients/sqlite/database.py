"""One SQLite file: a writer thread that commits in groups, and connections that read beside it.

Three rules:

1. Only the writer thread writes. Operations that arrive while it commits go together into the next transaction, so
   one flush to disk serves them all, and a lone operation waits for nobody.
2. An operation is a function of the connection that may be run again: if one of a group fails, the group is rolled
   back and each is run in a transaction of its own, so that one fault does not sink its neighbours.
3. `synchronous=FULL`: what a future reports as written has been flushed to disk.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from outpost.clients.sqlite.checkpoint import Checkpointer
from outpost.clients.sqlite.errors import DatabaseUnavailable, translated

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]

_READERS = 4
_BUSY_SECONDS = 10.0
"""How long a connection waits for another process that holds the file."""
_GROUP_LIMIT = 512
"""Operations per transaction, so that one commit never keeps its callers waiting long."""


class _Pending:
    """An operation on its way through the writer, with the future that waits for its end."""

    __slots__ = ("error", "future", "operation", "result")

    def __init__(self, operation: Operation[Any], future: "asyncio.Future[Any]") -> None:
        self.operation = operation
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None


class Database:
    """An open SQLite file, which must exist. Use `async with`; it belongs to the event loop that opens it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._inbox: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
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
        self._thread = threading.Thread(target=self._write_groups, name="sqlite-writer", daemon=True)
        self._open = True
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what was handed in, copy the log into the file and close it."""
        self._open = False
        self._inbox.put(None)
        await asyncio.to_thread(self._close)

    def write(self, operation: Operation[T]) -> "asyncio.Future[T]":
        """Run `operation` in the writer thread; the future ends when its transaction is on disk.

        The operation must change the database through its connection alone, leave the transaction open (so no
        `executescript`), and may be run more than once. What it raises, the future raises, and nothing of it is stored.
        Cancelling the future ends the waiting, not the operation.

        Raises (through the future):
            DatabaseUnavailable: The file cannot be written now; nothing of the operation was stored.
            DatabaseCorrupted: The file is damaged.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if self._open:
            self._inbox.put(_Pending(operation, future))
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
                timeout=_BUSY_SECONDS,
            )
        except sqlite3.Error as error:
            raise translated(error) from error
        try:
            connection.execute("PRAGMA journal_mode = WAL")  # the file's own already, unless restored from a dump
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("PRAGMA cache_size = -16384")
            connection.execute("PRAGMA mmap_size = 268435456")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error as error:
            connection.close()
            raise translated(error) from error
        return connection

    def _write_groups(self) -> None:
        """The writer thread: take what waits, commit it together, tell the loop; until the inbox ends."""
        stopping = False
        while not stopping:
            first = self._inbox.get()
            if first is None:
                break
            group = [first]
            while len(group) < _GROUP_LIMIT:
                try:
                    pending = self._inbox.get_nowait()
                except queue.Empty:
                    break
                if pending is None:
                    stopping = True
                    break
                group.append(pending)
            self._commit(group)
            self._loop.call_soon_threadsafe(_tell, group)
            self._checkpointer.after_commit()

    def _commit(self, group: Sequence[_Pending]) -> None:
        """Run the group in one transaction, or each operation in its own; whatever fails, this thread goes on."""
        if not self._begin(group) or self._run_and_commit(group) or len(group) == 1:
            return
        for pending in group:
            if self._begin([pending]):
                self._run_and_commit([pending])

    def _begin(self, group: Sequence[_Pending]) -> bool:
        """Begin a transaction, or let the whole group fail: it is nobody's fault, and each would wait as long again."""
        try:
            if self._connection.in_transaction:  # it could not be rolled back
                self._connection.execute("ROLLBACK")
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            for pending in group:
                pending.error = translated(error)
            return False
        return True

    def _run_and_commit(self, group: Sequence[_Pending]) -> bool:
        """Run all operations and commit; on a failure none has happened, and each carries the error."""
        connection = self._connection
        try:
            for pending in group:
                pending.result = pending.operation(connection)
            connection.execute("COMMIT")
        except BaseException as error:  # also what ends other threads must not end this one
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            for pending in group:
                pending.error = translated(error)
            return False
        for pending in group:
            pending.error = None
        return True

    def _close(self) -> None:
        self._thread.join()
        self._executor.shutdown()
        for connection in self._readers:
            connection.close()
        self._checkpointer.close()
        self._connection.close()


def _tell(group: Sequence[_Pending]) -> None:
    for pending in group:
        if pending.future.done():  # its caller was cancelled
            continue
        if pending.error is None:
            pending.future.set_result(pending.result)
        else:
            pending.future.set_exception(pending.error)
