"""The one writer of a file: transactions for groups of operations, flushed in a thread.

    handed in ─▶ waiting ─▶ run on the event loop ─▶ committed in the thread ─▶ told
                   │              │ refused: file busy, an operation failed
                   └─ long ones ──┴─────────────▶ run and committed in the thread ─▶ told

Three rules:

1. One group at a time. What is handed in while a group commits waits and goes together into the next, so one flush to
   disk serves all of it, and a lone operation waits for nobody.
2. Statements run on the event loop, where no other thread competes for the interpreter: in a thread, each statement
   gives the interpreter lock away and waits to get it back from a busy loop. What blocks for long runs in the thread:
   the flush to disk, waiting for another process, operations that say they are long, and everything after a fault.
3. An operation may be run again: if one of a group fails, the group is rolled back and each is run in a transaction of
   its own, so that one fault does not sink its neighbours.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from outpost.clients.sqlite.checkpoint import Checkpointer
from outpost.clients.sqlite.errors import translated

Operation = Callable[[sqlite3.Connection], Any]

_GROUP_LIMIT = 512
"""Operations per transaction, so that one commit never keeps its callers waiting long."""


class Pending:
    """An operation on its way through the writer, with the future that waits for its end."""

    __slots__ = ("error", "future", "is_long", "operation", "result")

    def __init__(self, operation: Operation, future: "asyncio.Future[Any]", *, is_long: bool) -> None:
        self.operation = operation
        self.future = future
        self.is_long = is_long
        self.result: Any = None
        self.error: BaseException | None = None


class Writer:
    """Owns the writing connection. Made, used and closed on the event loop."""

    def __init__(self, connection: sqlite3.Connection, checkpointer: Checkpointer, *, patience: float) -> None:
        """Args:
        patience: Seconds for which the thread waits for another process that holds the file; the loop does not wait.
        """
        self._patience_ms = int(patience * 1000)
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._connection.execute("PRAGMA busy_timeout = 0")
        self._checkpointer = checkpointer
        self._waiting: deque[Pending] = deque()
        self._starting = False
        self._busy = False  # the thread has a group, and with it the connection
        self._idle = asyncio.Event()
        self._idle.set()
        self._groups: queue.SimpleQueue[tuple[Sequence[Pending], bool] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._finish_groups, name="sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, pending: Pending) -> None:
        self._waiting.append(pending)
        self._idle.clear()
        self._start_soon()

    async def close(self) -> None:
        """Finish what was handed in and end the thread; the connection stays open."""
        await self._idle.wait()
        self._groups.put(None)
        await asyncio.to_thread(self._thread.join)

    # --- on the event loop

    def _start_soon(self) -> None:
        if self._waiting and not (self._busy or self._starting):
            self._starting = True
            self._loop.call_soon(self._start)

    def _start(self) -> None:
        self._starting = False
        group = [self._waiting.popleft() for _ in range(min(len(self._waiting), _GROUP_LIMIT))]
        self._busy = True
        is_long = any(pending.is_long for pending in group)
        self._groups.put((group, not is_long and self._has_run(group)))

    def _has_run(self, group: Sequence[Pending]) -> bool:
        """Begin a transaction and run the operations; False if they are for the thread to run."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for pending in group:
                pending.result = pending.operation(self._connection)
        except BaseException:  # the thread runs it again, and tells its caller
            self._roll_back()
            return False
        return True

    def _committed(self, group: Sequence[Pending]) -> None:
        self._busy = False
        for pending in group:
            if pending.future.done():  # its caller was cancelled
                continue
            if pending.error is None:
                pending.future.set_result(pending.result)
            else:
                pending.future.set_exception(pending.error)
        if self._waiting:
            self._start_soon()
        else:
            self._idle.set()

    # --- in the thread

    def _finish_groups(self) -> None:
        while (item := self._groups.get()) is not None:
            group, has_run = item
            if not (has_run and self._commit(group)):
                self._run_with_patience(group)
            self._checkpointer.after_commit()
            self._loop.call_soon_threadsafe(self._committed, group)

    def _run_with_patience(self, group: Sequence[Pending]) -> None:
        """Run the group in one transaction, or each operation in its own; whatever fails, this thread goes on."""
        self._connection.execute(f"PRAGMA busy_timeout = {self._patience_ms}")
        if self._begin(group) and not self._run_and_commit(group) and len(group) > 1:
            for pending in group:
                if self._begin([pending]):
                    self._run_and_commit([pending])
        self._connection.execute("PRAGMA busy_timeout = 0")

    def _begin(self, group: Sequence[Pending]) -> bool:
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

    def _run_and_commit(self, group: Sequence[Pending]) -> bool:
        """Run all operations and commit; on a failure none has happened, and each carries the error."""
        try:
            for pending in group:
                pending.result = pending.operation(self._connection)
        except BaseException as error:  # also what ends other threads must not end this one
            self._fail(group, error)
            return False
        return self._commit(group)

    def _commit(self, group: Sequence[Pending]) -> bool:
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._fail(group, error)
            return False
        for pending in group:
            pending.error = None
        return True

    def _fail(self, group: Sequence[Pending], error: BaseException) -> None:
        self._roll_back()
        for pending in group:
            pending.error = translated(error)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
