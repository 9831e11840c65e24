"""A database that is closed."""

import asyncio
import threading
from pathlib import Path

import psutil
import pytest

from outpost.clients.sqlite import Database, DatabaseUnavailable
from tests.integration.clients.sqlite.outside import insert

_AT_ONCE = 4


def _handles(path: Path) -> list[str]:
    """Return the files of the database that this process holds open: the database itself, its log."""
    return [file.path for file in psutil.Process().open_files() if file.path.startswith(str(path))]


async def test_none_of_its_connections_stays_open(path: Path) -> None:
    together = threading.Barrier(_AT_ONCE, timeout=10)
    async with Database(path) as database:
        await database.write(insert("kept"))
        await asyncio.gather(*(database.read(lambda connection: together.wait()) for _ in range(_AT_ONCE)))
        assert _handles(path).count(str(path)) > _AT_ONCE

    assert _handles(path) == []
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_none_stays_open_that_met_an_error(path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with Database(path) as database:
            await database.read(insert("refused"))

    assert _handles(path) == []
