"""What the database reports becomes what the ports promise; everything else stays what it is."""

import sqlite3

import pytest

from outpost.clients.sqlite import DatabaseCorrupted, DatabaseUnavailable
from outpost.domain.errors import NotFound, OutpostError, StoreCorrupted, StoreUnavailable
from outpost.stores.sqlite_errors import store_errors


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DatabaseUnavailable("database or disk is full"), StoreUnavailable),
        (DatabaseCorrupted("database disk image is malformed"), StoreCorrupted),
    ],
)
def test_trouble_with_the_file_is_trouble_with_the_store(error: Exception, expected: type[OutpostError]) -> None:
    with pytest.raises(expected, match=f"SQLite.*{error}") as caught, store_errors():
        raise error

    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [NotFound("tenant"), sqlite3.IntegrityError("UNIQUE"), KeyError("bug")])
def test_other_errors_come_through_unchanged(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, store_errors():
        raise error

    assert caught.value is error


def test_without_an_error_nothing_happens() -> None:
    with store_errors():
        value = 1
    assert value == 1
