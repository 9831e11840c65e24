"""The spellings of a query string."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.api.errors import Problem
from outpost.api.query import Query


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (b"", None),
        (b"b=1", None),
        (b"a", [""]),
        (b"a=", [""]),
        (b"a=1&a=2", ["1", "2"]),
        (b"a[]=1&a[]=2&a=3", ["1", "2"]),
        (b"a[10]=x&a[2]=y&a[2]=z&a[]=1&a=3", ["y", "x"]),
        (b"a%5B0%5d=1", ["1"]),
        (b"a[x]=1", None),
        (b"a[x]=1&a=2", ["2"]),
        (b"a[0][1]=1", None),
        (b"a=1,2", ["1,2"]),
        (b"a=1+2%2B3", ["1 2+3"]),
        (b"a=%zz&a=ok", ["ok"]),
        (b"a=1;b=2", None),
        (b"a=%00", ["\ufffd"]),
        (b"a=%ff", ["\ufffd"]),
        (b"a=\xc3\xbc", ["ü"]),
        (b"&&a=1&&", ["1"]),
        (b"a=b=c", ["b=c"]),
    ],
)
def test_an_array_is_read_in_the_first_spelling_there_is(query: bytes, values: list[str] | None) -> None:
    assert Query(query).many("a") == values


@pytest.mark.parametrize(
    ("query", "value"), [(b"a=1&a=2", "1"), (b"a=&a=2", None), (b"a[]=1", None), (b"", None), (b"A=1", None)]
)
def test_of_a_single_value_the_first_counts(query: bytes, value: str | None) -> None:
    assert Query(query).one("a") == value


def test_a_filter_is_an_array_by_its_whole_name() -> None:
    assert Query(b"filters[topic]=a&filters[code][]=b").many("filters[topic]") == ["a"]
    assert Query(b"filters[topic][0]=a&filters[topic][1]=b").many("filters[topic]") == ["a", "b"]


def test_a_date_means_its_midnight_in_utc() -> None:
    window = Query(b"time[gte]=2024-02-29&time[lt]=2024-03-01T01:00:00%2B01:00").time_window()

    assert (window.gte, window.lt) == (datetime(2024, 2, 29, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC))
    assert (window.lte, window.gt) == (None, None)


@given(st.binary(max_size=100))
def test_no_query_string_is_too_odd(query: bytes) -> None:
    parsed = Query(query)

    parsed.many("a")
    parsed.one("a")


@given(st.text(max_size=30))
def test_a_time_is_read_or_refused(text: str) -> None:
    with suppress(Problem):
        Query(b"time[gt]=" + text.encode("utf-8", "replace")).time_window()
