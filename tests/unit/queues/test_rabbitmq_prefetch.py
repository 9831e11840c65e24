"""What is held stays within a number of messages and of bytes."""

from outpost.queues.rabbitmq_prefetch import Prefetch


def test_small_messages_are_held_by_their_number() -> None:
    prefetch = Prefetch(100, most_bytes=1_000_000)

    assert not any(prefetch.lent(1_000) for _ in range(100))
    assert prefetch.count == 100


def test_large_ones_call_for_a_number_that_fits_half_the_room() -> None:
    prefetch = Prefetch(100, most_bytes=1_000_000)

    changes = [prefetch.lent(50_000) for _ in range(21)]

    assert changes == [False] * 20 + [True]
    assert prefetch.count == 10


def test_what_is_settled_makes_room() -> None:
    prefetch = Prefetch(100, most_bytes=1_000_000)

    for _ in range(500):
        assert not prefetch.lent(900_000)
        prefetch.settled(900_000)

    assert prefetch.count == 100


def test_one_message_that_is_too_large_for_the_room_is_lent_all_the_same() -> None:
    prefetch = Prefetch(100, most_bytes=1_000)
    assert prefetch.lent(5_000)
    prefetch.nothing_held()

    assert prefetch.count == 1
    assert not prefetch.lent(5_000)


def test_it_never_falls_below_one_and_never_changes_without_need() -> None:
    prefetch = Prefetch(2, most_bytes=10)

    assert prefetch.lent(100)
    assert [prefetch.lent(100) for _ in range(20)] == [False] * 20
    assert prefetch.count == 1


def test_after_many_small_ones_the_usual_number_is_back() -> None:
    prefetch = Prefetch(10, most_bytes=1_000, until_it_grows=500)
    while not prefetch.lent(300):
        pass
    prefetch.nothing_held()
    assert prefetch.count == 1

    changed_after = 0
    while not prefetch.lent(1):
        prefetch.settled(1)
        changed_after += 1

    assert changed_after >= 498
    assert prefetch.count == 10


def test_the_number_fits_the_protocol() -> None:
    assert (Prefetch(0).count, Prefetch(100_000).count) == (1, 65_535)
