"""Waiting for the broker's word on what was published."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.clients.amqp.confirms import Confirms
from outpost.clients.amqp.errors import AmqpChannelClosed, AmqpNacked, AmqpReturned, ProtocolError

HERE, THERE = ("exchange", "here"), ("exchange", "there")


async def test_a_batch_is_confirmed_with_its_last_publication() -> None:
    confirms = Confirms("peer:1")
    batch = confirms.expect(3, HERE)

    confirms.answered(3, multiple=False, stored=True)
    confirms.answered(1, multiple=False, stored=True)
    assert not batch.done()

    confirms.answered(2, multiple=False, stored=True)
    await batch


async def test_a_range_confirms_every_batch_up_to_it() -> None:
    confirms = Confirms("peer:1")
    batches = [confirms.expect(2, HERE) for _ in range(3)]

    confirms.answered(5, multiple=True, stored=True)
    assert [batch.done() for batch in batches] == [True, True, False]

    confirms.answered(0, multiple=True, stored=True)  # AMQP 0-9-1: all there are
    assert batches[2].done()


async def test_one_that_is_not_stored_fails_its_batch_only() -> None:
    confirms = Confirms("peer:1")
    good, bad = confirms.expect(2, HERE), confirms.expect(2, HERE)

    confirms.answered(3, multiple=False, stored=False)
    confirms.answered(4, multiple=True, stored=True)

    await good
    with pytest.raises(AmqpNacked, match="could not store"):
        await bad


async def test_one_that_comes_back_fails_what_was_sent_to_the_same_address() -> None:
    confirms = Confirms("peer:1")
    here, there = confirms.expect(2, HERE), confirms.expect(1, THERE)

    confirms.returned(HERE, "NO_ROUTE")
    confirms.answered(3, multiple=True, stored=True)

    await there
    with pytest.raises(AmqpReturned, match="no queue takes what is sent to exchange 'exchange' as 'here': NO_ROUTE"):
        await here


async def test_the_end_of_the_channel_fails_whatever_is_open() -> None:
    confirms = Confirms("peer:1")
    batches = [confirms.expect(1, HERE) for _ in range(2)]

    confirms.fail(AmqpChannelClosed("peer:1", 404, "NOT_FOUND"))

    for batch in batches:
        with pytest.raises(AmqpChannelClosed, match="404 NOT_FOUND") as caught:
            await batch
        assert caught.value.code == 404


async def test_nobody_needs_to_wait() -> None:
    confirms = Confirms("peer:1")
    gone, failed = confirms.expect(1, HERE), confirms.expect(1, HERE)
    gone.cancel()

    confirms.answered(1, multiple=False, stored=True)
    failed.cancel()
    confirms.fail(AmqpNacked("peer:1", "-"))


async def test_nothing_to_publish_is_confirmed_at_once() -> None:
    assert Confirms("peer:1").expect(0, HERE).done()


async def test_a_confirmation_of_what_was_not_published_is_an_error() -> None:
    confirms = Confirms("peer:1")
    batch = confirms.expect(1, HERE)

    with pytest.raises(ProtocolError):
        confirms.answered(2, multiple=True, stored=True)
    batch.cancel()


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.data())
def test_each_batch_is_confirmed_exactly_when_all_of_it_is(sizes: list[int], data: st.DataObject) -> None:
    async def check() -> None:
        confirms = Confirms("peer:1")
        batches = [confirms.expect(size, HERE) for size in sizes]
        last = [sum(sizes[: number + 1]) for number in range(len(sizes))]
        open_tags = set(range(1, sum(sizes) + 1))
        while open_tags:
            tag = data.draw(st.sampled_from(sorted(open_tags)))
            multiple = data.draw(st.booleans())
            confirms.answered(tag, multiple=multiple, stored=True)
            open_tags -= set(range(1, tag + 1)) if multiple else {tag}
            for size, end, batch in zip(sizes, last, batches, strict=True):
                assert batch.done() == open_tags.isdisjoint(range(end - size + 1, end + 1))

    asyncio.run(check())


async def test_a_range_after_many_single_confirmations_costs_no_more_than_it_covers() -> None:
    """A quiet day has millions of single ones before the first range."""
    confirms = Confirms("peer:1")
    for tag in (2, 1, 3, 4):
        confirms.expect((tag == 2 and 4) or 0, HERE)
        confirms.answered(tag, multiple=False, stored=True)

    assert confirms._lowest == 5
