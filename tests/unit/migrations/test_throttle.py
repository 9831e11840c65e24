"""How batches follow what the store feels, and when work waits."""

import pytest

from outpost.migrations.run import Limits
from outpost.migrations.throttle import LARGEST_BATCH, SMALLEST_BATCH, Health, Pace, Throttle

BUDGET = 5.0


def _page(throttle: Throttle, milliseconds: float, *, calls: int = 5, full: bool = True) -> None:
    throttle.observe([milliseconds] * calls, batch=throttle.batch, full=full, budget_ms=BUDGET)


def test_a_page_over_budget_halves_the_batch_once() -> None:
    throttle = Throttle(Limits())
    before = throttle.batch

    for _ in range(8):  # all under way when the first was found to be slow
        throttle.observe([BUDGET * 2], batch=before, full=True, budget_ms=BUDGET)

    assert throttle.batch == before // 2


def test_a_single_slow_call_is_noise() -> None:
    throttle = Throttle(Limits())
    before = throttle.batch

    throttle.observe([0.1, 0.1, BUDGET * 20], batch=before, full=False, budget_ms=BUDGET)

    assert throttle.batch == before


def test_quick_pages_let_the_batch_grow_slowly_and_not_without_end() -> None:
    throttle = Throttle(Limits())
    before = throttle.batch

    _page(throttle, 0.1)
    grown = throttle.batch
    for _ in range(200):
        _page(throttle, 0.1)

    assert before < grown < before * 1.2
    assert throttle.batch == LARGEST_BATCH


def test_quick_calls_that_were_not_full_say_nothing_about_larger_ones() -> None:
    throttle = Throttle(Limits())
    before = throttle.batch

    _page(throttle, 0.1, full=False)

    assert throttle.batch == before


def test_slow_pages_leave_the_smallest_batch_and_one_page_under_way() -> None:
    throttle = Throttle(Limits())

    for _ in range(50):
        _page(throttle, BUDGET * 10)

    assert throttle.batch == SMALLEST_BATCH
    assert throttle.pages == 1


def test_calls_may_take_longer_where_nobody_else_is_connected() -> None:
    among_others, alone = Throttle(Limits()), Throttle(Limits())
    alone.pause(Health(alone=True))

    for throttle in (among_others, alone):
        for _ in range(40):
            _page(throttle, BUDGET * 0.005 * throttle.batch)  # a record costs half a hundredth of the budget

    assert 20 <= among_others.batch <= 28
    assert 54 <= alone.batch <= 68
    alone.pause(Health())
    for _ in range(40):
        _page(alone, BUDGET * 0.005 * alone.batch)
    assert alone.batch <= 28


def test_a_batch_that_was_asked_for_stays() -> None:
    throttle = Throttle(Limits(batch=17))

    _page(throttle, BUDGET * 10)

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


def _pace(batch: int | None = None) -> Pace:
    return Pace(Limits(batch=batch), first=1_000, fewest=20, most=2_000)


def test_a_batch_of_sql_comes_to_take_about_the_budget() -> None:
    pace = _pace()

    for _ in range(30):
        pace.observe(pace.rows * 0.5, asked_ms=None, usual_ms=100)

    assert pace.rows == 200
    assert pace.rest_seconds == 0


def test_a_batch_of_sql_keeps_within_its_bounds() -> None:
    pace = _pace()

    for _ in range(10):
        pace.observe(0.1, asked_ms=100, usual_ms=100)
    largest = pace.rows
    for _ in range(20):
        pace.observe(1_000, asked_ms=1, usual_ms=100)

    assert (largest, pace.rows) == (2_000, 20)


def test_after_a_batch_over_budget_the_store_is_left_alone_for_as_long() -> None:
    pace = _pace()

    pace.observe(130, asked_ms=100, usual_ms=100)
    rest = pace.rest_seconds
    pace.observe(90_000, asked_ms=100, usual_ms=100)

    assert rest == pytest.approx(0.03)
    assert pace.rest_seconds == 1.0


def test_a_batch_that_was_broken_off_is_tried_smaller_until_there_is_no_smaller_one() -> None:
    pace = _pace(batch=100)

    tries = [pace.gave_up(), pace.gave_up()]

    assert tries == [True, True]
    assert pace.rows == 20
    assert not pace.gave_up()


def test_a_batch_of_sql_that_a_person_has_set_stays() -> None:
    pace = _pace(batch=17)

    pace.observe(1_000, asked_ms=1, usual_ms=100)

    assert pace.rows == 17


def test_where_nobody_asked_for_a_budget_batches_stay_worth_their_fixed_cost() -> None:
    pace = _pace()

    for _ in range(20):
        pace.observe(1_500, asked_ms=None, usual_ms=100)

    assert pace.rows == 100
    assert pace.rest_seconds == 0
