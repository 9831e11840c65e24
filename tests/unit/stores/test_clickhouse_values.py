"""Instants between the milliseconds that ClickHouse keeps."""

from datetime import UTC, datetime, timedelta

import pytest

from outpost.stores.clickhouse_values import last_millisecond, next_millisecond

MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize("year", [1, 1969, 1970, 2026, 9999])
def test_a_whole_millisecond_is_its_own_neighbour(year: int) -> None:
    instant = datetime(year, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)

    assert last_millisecond(instant) == next_millisecond(instant)


@pytest.mark.parametrize("year", [1, 1969, 1970, 2026, 9999])
def test_an_instant_lies_between_its_neighbours(year: int) -> None:
    instant = datetime(year, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    millisecond = last_millisecond(instant)

    assert (last_millisecond(instant + MICROSECOND), next_millisecond(instant + MICROSECOND)) == (
        millisecond,
        millisecond + 1,
    )
    assert (last_millisecond(instant - MICROSECOND), next_millisecond(instant - MICROSECOND)) == (
        millisecond - 1,
        millisecond,
    )
