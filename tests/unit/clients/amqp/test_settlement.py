"""Acknowledging in ranges."""

from hypothesis import given
from hypothesis import strategies as st

from outpost.clients.amqp.settlement import Settlement


class Broker:
    """Checks what it is told as RabbitMQ does."""

    def __init__(self, delivered: int) -> None:
        self.open = set(range(1, delivered + 1))

    def ack(self, tag: int, multiple: bool) -> None:
        assert tag in self.open, f"unknown delivery tag {tag}"
        self.open -= set(range(1, tag + 1)) if multiple else {tag}


def told(settlement: Settlement, *tags: int) -> list[tuple[int, bool]]:
    settlement.done(tags)
    return sorted(settlement.take())


def test_a_run_from_the_first_is_one_acknowledgement() -> None:
    assert told(Settlement(), 3, 1, 2) == [(3, True)]


def test_a_single_one_is_told_as_such() -> None:
    assert told(Settlement(), 1) == [(1, False)]


def test_what_lies_beyond_a_gap_is_told_one_by_one() -> None:
    settlement = Settlement()

    assert told(settlement, 1, 2, 4, 5) == [(2, True), (4, False), (5, False)]
    assert told(settlement, 3) == [(3, False)]
    assert told(settlement, 6, 7) == [(7, True)]


def test_a_range_ends_at_one_the_broker_has_not_heard_of() -> None:
    settlement = Settlement()
    assert told(settlement, 3, 4) == [(3, False), (4, False)]

    assert told(settlement, 1, 2) == [(2, True)]


def test_nothing_is_settled_twice() -> None:
    settlement = Settlement()
    assert told(settlement, 1, 3) == [(1, False), (3, False)]

    assert told(settlement, 1, 3) == []
    assert not settlement.told(3)
    assert settlement.told(2)
    assert not settlement.told(2)
    assert told(settlement, 2) == []


def test_a_number_below_one_settles_nothing() -> None:
    settlement = Settlement()

    assert told(settlement, 0, -5) == []
    assert not settlement.told(0)


@given(st.data(), st.integers(1, 40))
def test_in_any_order_the_broker_hears_of_each_once(data: st.DataObject, delivered: int) -> None:
    settlement, broker = Settlement(), Broker(delivered)
    asked: set[int] = set()
    for tag in data.draw(st.permutations(range(1, delivered + 1))):
        if data.draw(st.booleans()):
            settlement.done([tag])
        elif settlement.told(tag):
            broker.ack(tag, False)
        asked.add(tag)
        if data.draw(st.booleans()):
            for told_tag, multiple in settlement.take():
                broker.ack(told_tag, multiple)
            assert broker.open == set(range(1, delivered + 1)) - asked

    for told_tag, multiple in settlement.take():
        broker.ack(told_tag, multiple)
    assert broker.open == set()
