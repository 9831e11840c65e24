"""How batches follow what the store feels, and when work waits."""

import pytest

from outpost.migrations.run import Limits
from outpost.migrations.throttle import LARGEST_BATCH, SMALLEST_BATCH, Health, Throttle

BUDGET = 5.0


def test_a_call_over_budget_halves_the_batch() -> None:
    throttle = Throttle(Limits())
    before = throttle.batch

    throttle.observe(BUDGET * 2, before, BUDGET)

    assert throttle.batch == before // 2


def test_quick_calls_let_the_batch_grow_slowly_and_not_without_end() -> None:
    throttle = Throttle(Limits())
    before = throttle.batch

    throttle.observe(0.1, throttle.batch, BUDGET)
    grown = throttle.batch
    for _ in range(200):
        throttle.observe(0.1, throttle.batch, BUDGET)

    assert before < grown < before * 1.2
    assert throttle.batch == LARGEST_BATCH


def test_a_quick_call_that_was_not_full_says_nothing_about_larger_ones() -> None:
    throttle = Throttle(Limits())
    before = throttle.batch

    throttle.observe(0.1, 3, BUDGET)

    assert throttle.batch == before


def test_slow_calls_leave_the_smallest_batch_and_one_page_under_way() -> None:
    throttle = Throttle(Limits())

    for _ in range(50):
        throttle.observe(BUDGET * 10, throttle.batch, BUDGET)

    assert throttle.batch == SMALLEST_BATCH
    assert throttle.pages == 1


def test_a_batch_that_was_asked_for_stays() -> None:
    throttle = Throttle(Limits(batch=17))

    throttle.observe(BUDGET * 10, 17, BUDGET)

    assert throttle.batch == 17


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        (Health(), ""),
        (Health(replica_lag_seconds=1.0, memory_share=0.5), ""),
        (Health(replica_lag_seconds=3.0), "a replica is 3.0 s behind (limit 2 s)"),
        (Health(memory_share=0.9), "memory at 90% of the server's limit (limit 85%)"),
        (Health(memory_share=0.5, saving=True), "a snapshot is being written with memory at 50% of the server's limit"),
        (Health(memory_share=0.3, saving=True), ""),
    ],
)
def test_work_waits_for_replicas_memory_and_snapshots(health: Health, reason: str) -> None:
    assert Throttle(Limits()).pause(health) == reason
