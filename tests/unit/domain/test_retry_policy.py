"""When a failed delivery is tried again."""

from datetime import timedelta

import pytest

from outpost.domain.retry_policy import LONGEST_DELAY, RetryPolicy


def seconds(policy: RetryPolicy) -> list[float]:
    """Delays until the policy gives up."""
    delays: list[float] = []
    while (delay := policy.delay_after(len(delays) + 1)) is not None:
        delays.append(delay.total_seconds())
    return delays


def test_the_default_doubles_from_half_a_minute_for_ten_retries() -> None:
    assert seconds(RetryPolicy()) == [30, 60, 120, 240, 480, 960, 1920, 3840, 7680, 15360]


def test_a_schedule_says_both_how_long_and_how_often() -> None:
    policy = RetryPolicy(schedule=(timedelta(seconds=5), timedelta(0), timedelta(minutes=1)), max_retries=99)

    assert seconds(policy) == [5, 0, 60]
    assert policy.retries_allowed() == 3


def test_no_retries_means_none() -> None:
    assert seconds(RetryPolicy(max_retries=0)) == []


@pytest.mark.parametrize("interval", [timedelta(seconds=1), timedelta(days=60), timedelta.max])
def test_an_exponential_delay_ends_at_the_longest(interval: timedelta) -> None:
    """FIX-16: a longer one could not be stored."""
    policy = RetryPolicy(interval=interval, max_retries=10_000)

    assert [policy.delay_after(number) for number in (40, 10_000)] == [LONGEST_DELAY, LONGEST_DELAY]


def test_an_interval_of_nothing_stays_nothing() -> None:
    assert RetryPolicy(interval=timedelta(0), max_retries=10_000).delay_after(10_000) == timedelta(0)


def test_a_scheduled_delay_ends_at_the_longest() -> None:
    assert seconds(RetryPolicy(schedule=(timedelta.max,))) == [9_999_999]


@pytest.mark.parametrize("number", [0, -1])
def test_a_number_from_damaged_data_counts_as_the_first(number: int) -> None:
    assert RetryPolicy().delay_after(number) == timedelta(seconds=30)


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 30), (0.5, 33), (1.0, 36)])
def test_jitter_makes_a_delay_longer_by_a_part_of_it(chance: float, expected: int) -> None:
    """FIX-24."""
    assert RetryPolicy(jitter=0.2).delay_after(1, chance=chance) == timedelta(seconds=expected)


def test_without_jitter_chance_changes_nothing() -> None:
    """FIX-24: off unless it is asked for."""
    assert RetryPolicy().delay_after(1, chance=1.0) == timedelta(seconds=30)


def test_with_jitter_a_delay_ends_at_the_longest() -> None:
    assert RetryPolicy(schedule=(LONGEST_DELAY,), jitter=1.0).delay_after(1, chance=1.0) == LONGEST_DELAY


@pytest.mark.parametrize(("attempt", "wait"), [(1, 0), (2, 30), (3, 60)])
def test_an_attempt_waits_no_longer_than_the_delay_after_the_one_before(attempt: int, wait: int) -> None:
    assert RetryPolicy().longest_wait(attempt) == timedelta(seconds=wait)


def test_the_longest_wait_has_all_of_the_jitter() -> None:
    assert RetryPolicy(jitter=0.2).longest_wait(2) == timedelta(seconds=36)


def test_an_attempt_past_the_last_may_have_been_planned_by_a_longer_schedule() -> None:
    assert RetryPolicy(max_retries=0).longest_wait(2) == LONGEST_DELAY
