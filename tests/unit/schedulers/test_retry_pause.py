"""How long a retry that could not be run is put off."""

from datetime import timedelta

from outpost.schedulers.retry_pause import retry_pause


def test_pauses_double_and_the_sixth_take_is_the_last() -> None:
    pauses = [retry_pause(takes, timedelta(seconds=30)) for takes in range(1, 8)]

    assert pauses == [*(timedelta(seconds=seconds) for seconds in (30, 60, 120, 240, 480)), None, None]


def test_no_pause_is_longer_than_a_quarter_of_an_hour() -> None:
    assert [retry_pause(takes, timedelta(minutes=6)) for takes in (1, 2, 5)] == [
        timedelta(minutes=6),
        timedelta(minutes=12),
        timedelta(minutes=15),
    ]
