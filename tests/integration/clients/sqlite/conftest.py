"""A file with one table, and ways to look at it from outside."""

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from outpost.clients.sqlite import Database
from tests.integration.clients.sqlite.outside import connect


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "test.db"
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE items (key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)")
    return path


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    async with Database(path) as database:
        yield database
