"""Running one statement until it has certainly happened.

sent ──answered──▶ done
  │
  ├─ 517, another ALTER has the table   wait until the server has nothing left to do, send it again
  ├─ no answer in time, replicas late   the same, but first look whether it has happened
  ├─ 57, the table exists               look whether it has happened
  └─ anything else                      an error that names file, line and statement
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from outpost.clients.clickhouse import ClickHouseError, TimedOut, Value
from outpost.migrations.run import Run
from outpost.migrations.sql.clickhouse.backlog import Backlog
from outpost.migrations.sql.clickhouse.server import WAITING, Server
from outpost.migrations.sql.script import Script, Statement

Happened = Callable[[], Awaitable[bool | None]]

# ClickHouse, src/Common/ErrorCodes.cpp.
_TABLE_ALREADY_EXISTS = 57
_UNFINISHED = 341
_CANNOT_ASSIGN_ALTER = 517
_TO_BE_PROBED = (_TABLE_ALREADY_EXISTS, _UNFINISHED, _CANNOT_ASSIGN_ALTER)
_SENT_AT_MOST = 20
_SECONDS = 600.0


class StatementRunner:
    """Sends the statements of scripts."""

    def __init__(self, server: Server, backlog: Backlog, *, seconds: float = _SECONDS) -> None:
        """Take what is needed.

        Args:
            seconds: How long to wait for the answer to one statement; what takes longer is then watched.
        """
        self._server = server
        self.backlog = backlog
        self._seconds = seconds

    async def run(
        self,
        statement: Statement,
        script: Script,
        run: Run,
        *,
        happened: Happened,
        text: str | None = None,
        parameters: Mapping[str, Value] | None = None,
    ) -> None:
        """Run a statement.

        Args:
            happened: Looks whether it has taken effect; None if that cannot be seen, and repeating is harmless.
            text: What is sent instead of the statement's own text.

        Raises:
            MigrationError: It has not taken effect.
        """
        place = f"{script.file}, line {statement.line} ({_shortened(statement.bare)})"
        for sent in range(1, _SENT_AT_MOST + 1):
            await run.ready()
            try:
                await self._server.client.execute(
                    text or statement.text, parameters, settings=WAITING, seconds=self._seconds
                )
            except ClickHouseError as error:
                if not (error.code in _TO_BE_PROBED or isinstance(error, TimedOut)) or sent == _SENT_AT_MOST:
                    raise self._server.translation(error, place) from None
                run.tell("statement_repeated", store="clickhouse", migration=script.id, error=str(error))
                await self.backlog.empty(run, migration=script.id)
                if await happened():
                    return
                if error.code == _TABLE_ALREADY_EXISTS:
                    raise self._server.translation(error, place) from None
                await asyncio.sleep(self.backlog.poll_seconds * sent)  # whoever alters the table leaves no word
            else:
                if statement.bare.startswith("ALTER"):
                    await self.backlog.empty(run, migration=script.id)
                return


def _shortened(text: str, limit: int = 70) -> str:
    return text if len(text) <= limit else text[:limit] + "…"
