"""Many rows in few statements."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from outpost.clients.sqlite import insert_rows


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE items (key INTEGER PRIMARY KEY, name TEXT, data BLOB)")
        yield connection


@pytest.mark.parametrize(
    ("count", "statements"),
    [(0, 0), (1, 1), (7, 7), (8, 1), (9, 2), (63, 14), (64, 1), (65, 2), (72, 2), (128, 2), (1000, 20)],
)
def test_blocks_of_64_8_and_1_rows_hold_every_row_once_and_in_order(
    connection: sqlite3.Connection, count: int, statements: int
) -> None:
    executed: list[str] = []
    connection.set_trace_callback(executed.append)
    rows = [(f"name {number}", bytes([number % 256])) for number in range(count)]

    insert_rows(connection, "items", "name, data", rows)

    connection.set_trace_callback(None)
    assert len(executed) == statements
    assert connection.execute("SELECT name, data FROM items ORDER BY key").fetchall() == rows


def test_values_are_bound_and_not_read_as_sql(connection: sqlite3.Connection) -> None:
    insert_rows(connection, "items", "name", [("'); DROP TABLE items; --",)])

    assert connection.execute("SELECT name FROM items").fetchall() == [("'); DROP TABLE items; --",)]


def test_a_row_of_another_width_is_refused(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.ProgrammingError):
        insert_rows(connection, "items", "name, data", [("one",)])
