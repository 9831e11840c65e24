"""SQLite files as the program finds them."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from importlib.resources import files
from pathlib import Path

from outpost.clients.sqlite import Database


@asynccontextmanager
async def fresh_database(folder: Path) -> AsyncIterator[Database]:
    """Yield an open database in `folder`, with the tables that the migrations make."""
    path = folder / "outpost.db"
    create_database(path)
    async with Database(path) as database:
        yield database


def create_database(path: Path) -> None:
    """Create a file with the tables that the migrations make, and nothing in them."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for script in _scripts():
            connection.executescript(script)


def _scripts() -> list[str]:
    folder = files("outpost.migrations").joinpath("sql", "sqlite")
    named = {entry.name: entry for entry in folder.iterdir() if entry.name[0].isdigit() and entry.name.endswith(".sql")}
    return [named[name].read_text() for name in sorted(named)]
