"""Inserting many rows with few statements."""

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

BLOCKS = (64, 32, 16, 8, 4, 2, 1)
"""Rows per statement. A few fixed sizes, so that every statement stays in the connection's statement cache: each
execution gives up the interpreter lock and takes it again, which costs more than the rows themselves."""


def insert_rows(connection: sqlite3.Connection, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
    """Insert `rows` into `table (columns)` in as few statements as the fixed sizes allow.

    Args:
        columns: Comma-separated names, e.g. `"key, id, time"`; trusted text, as is `table`.
    """
    start = 0
    for size in BLOCKS:
        while len(rows) - start >= size:
            block = rows[start : start + size]
            connection.execute(_statement(table, columns, size), tuple(chain.from_iterable(block)))
            start += size


@lru_cache(maxsize=64)
def _statement(table: str, columns: str, size: int) -> str:
    row = "(" + ", ".join("?" * (columns.count(",") + 1)) + ")"
    return f"INSERT INTO {table} ({columns}) VALUES " + ", ".join([row] * size)
