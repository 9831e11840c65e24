"""The date of answers."""

from outpost.api.date_header import DateHeader


def test_the_date_is_written_as_http_wants_it() -> None:
    assert DateHeader(now=lambda: 1717230216.9).value() == b"Sat, 01 Jun 2024 08:23:36 GMT"


def test_the_date_is_made_anew_with_each_second() -> None:
    times = iter([1717230216.0, 1717230216.99, 1717230217.0, 1717230216.5])
    header = DateHeader(now=lambda: next(times))

    values = [header.value()[-6:-4] for _ in range(4)]

    assert values == [b"36", b"36", b"37", b"36"]
