"""What every driver of the queue must do."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import pytest

from outpost.ports.queue import Message, Queue

PREFETCH = 20
"""What the queues of a harness are told."""


@dataclass
class QueueHarness:
    """A queue under test, open and empty.

    Attributes:
        queue: Lends at most PREFETCH messages.
        another: Opens the same queue, as another process sees it.
        lose_connections: Cuts all connections of `queue`, as the broker would.
        dead_letters: Returns the bodies of this many dead letters, waiting for them.
        deliveries: How often a message is lent that is rejected each time.
        returns_count: Giving a message back counts as one of these.
        largest: Bytes of the largest body to be tried.
    """

    queue: Queue
    another: Callable[[], AbstractAsyncContextManager[Queue]]
    lose_connections: Callable[[], Awaitable[None]]
    dead_letters: Callable[[int], Awaitable[Sequence[bytes]]]
    deliveries: int = 6
    returns_count: bool = False
    largest: int = 1024 * 1024


class QueueConformance:
    """Bind it by a fixture `harness` that yields a QueueHarness."""

    async def test_what_is_sent_is_received_byte_for_byte(self, harness: QueueHarness) -> None:
        bodies = [b"", b"\x00\xce\r\n", bytes(range(256)), '{"ü":"😀"}'.encode(), b"x" * harness.largest]

        await harness.queue.send_many(bodies)

        assert sorted(message.body for message in await receive(harness.queue, 5)) == sorted(bodies)

    async def test_nothing_to_send_is_sent(self, harness: QueueHarness) -> None:
        await harness.queue.send_many([])
        await harness.queue.send_many([b"one"])

        assert [message.body for message in await receive(harness.queue, 1)] == [b"one"]

    async def test_receiving_waits_for_a_message(self, harness: QueueHarness) -> None:
        async with harness.another() as sender, asyncio.TaskGroup() as tasks:
            receiving = tasks.create_task(receive(harness.queue, 1))
            await sender.send_many([b"one"])

        assert [message.body for message in receiving.result()] == [b"one"]

    async def test_a_message_that_is_new_is_not_called_redelivered(self, harness: QueueHarness) -> None:
        await harness.queue.send_many([b"one"])

        assert [message.redelivered for message in await receive(harness.queue, 1)] == [False]

    async def test_what_many_tasks_send_together_all_arrives(self, harness: QueueHarness) -> None:
        bodies = [b"%d" % number for number in range(60)]
        async with asyncio.TaskGroup() as tasks:
            for at in range(0, 60, 4):
                tasks.create_task(harness.queue.send_many(bodies[at : at + 4]))

        assert sorted(await drain(harness.queue, 60)) == sorted(bodies)

    async def test_a_cancelled_receive_loses_nothing(self, harness: QueueHarness) -> None:
        receiving = asyncio.create_task(receive(harness.queue, 1))
        await asyncio.sleep(0)
        receiving.cancel()
        await asyncio.wait([receiving])

        await harness.queue.send_many([b"one"])

        assert await drain(harness.queue, 1) == [b"one"]

    async def test_an_acknowledged_message_never_comes_again(self, harness: QueueHarness) -> None:
        await harness.queue.send_many([b"one", b"two"])
        messages = await receive(harness.queue, 2)
        harness.queue.ack([message for message in messages if message.body == b"one"])

        await self.close(harness)

        async with harness.another() as other:
            assert await drain(other, 1) == [b"two"]
            await other.send_many([b"last"])
            assert await drain(other, 1) == [b"last"]

    @pytest.mark.parametrize("order", [[4, 3, 2, 1, 0], [1, 3, 0, 2, 4], [2, 0, 1, 4, 3]])
    async def test_messages_are_acknowledged_in_any_order(self, harness: QueueHarness, order: list[int]) -> None:
        await harness.queue.send_many([b"%d" % number for number in range(5)])
        messages = await receive(harness.queue, 5)

        for number in order:
            harness.queue.ack([messages[number]])
            await asyncio.sleep(0)  # so that each is told on its own

        await harness.queue.send_many([b"last"])
        assert [message.body for message in await receive(harness.queue, 1)] == [b"last"]
        await self.close(harness)
        async with harness.another() as other:
            assert await drain(other, 1) == [b"last"]

    async def test_settling_a_message_again_changes_nothing(self, harness: QueueHarness) -> None:
        await harness.queue.send_many([b"one", b"two"])
        messages = await receive(harness.queue, 2)

        harness.queue.ack(messages[:1])
        harness.queue.ack(messages)
        for message in messages:
            harness.queue.return_(message)
            harness.queue.reject(message)

        await harness.queue.send_many([b"three"])
        assert await drain(harness.queue, 1) == [b"three"]

    async def test_a_message_whose_process_ends_is_lent_to_another(self, harness: QueueHarness) -> None:
        await harness.queue.send_many([b"one"])
        await receive(harness.queue, 1)

        await self.close(harness)

        async with harness.another() as other:
            (message,) = await receive(other, 1)
            assert message.body == b"one"
            assert message.redelivered

    async def test_a_message_is_lent_again_after_its_connection_was_lost(self, harness: QueueHarness) -> None:
        await harness.queue.send_many([b"one"])
        await receive(harness.queue, 1)

        await harness.lose_connections()

        (again,) = await receive(harness.queue, 1)
        assert again.body == b"one"
        assert again.redelivered

    async def test_a_receipt_of_a_lost_connection_settles_nothing(self, harness: QueueHarness) -> None:
        """Or it would settle another message, which happens to have its number now."""
        await harness.queue.send_many([b"one", b"two"])
        stale = await receive(harness.queue, 2)
        await harness.lose_connections()
        again = await receive(harness.queue, 2)

        harness.queue.ack(stale[:1])
        harness.queue.return_(stale[1])
        harness.queue.reject(stale[1])
        await harness.queue.send_many([b"three"])
        third = await receive(harness.queue, 1)

        assert [message.body for message in third] == [b"three"]
        assert sorted(message.body for message in again) == [b"one", b"two"]
        await self.close(harness)
        async with harness.another() as other:
            assert sorted(await drain(other, 3)) == [b"one", b"three", b"two"]

    async def test_a_returned_message_comes_again(self, harness: QueueHarness) -> None:
        await harness.queue.send_many([b"one"])
        (message,) = await receive(harness.queue, 1)

        harness.queue.return_(message)

        (again,) = await receive(harness.queue, 1)
        assert again.body == b"one"
        assert again.redelivered
        harness.queue.ack([again])

    async def test_returning_a_message_counts_for_nothing(self, harness: QueueHarness) -> None:
        if harness.returns_count:
            pytest.skip("this broker counts every return")
        await harness.queue.send_many([b"one"])
        for _ in range(harness.deliveries + 3):
            (message,) = await receive(harness.queue, 1)
            harness.queue.return_(message)

        assert await drain(harness.queue, 1) == [b"one"]

    async def test_a_message_that_is_always_rejected_goes_to_the_dead_letters(self, harness: QueueHarness) -> None:
        await harness.queue.send_many([b"poison"])
        for _ in range(harness.deliveries):
            (message,) = await receive(harness.queue, 1)
            harness.queue.reject(message)

        assert list(await harness.dead_letters(1)) == [b"poison"]
        await harness.queue.send_many([b"good"])
        assert await drain(harness.queue, 1) == [b"good"]

    async def test_what_is_sent_back_comes_again_once_for_whoever_is_there(self, harness: QueueHarness) -> None:
        await harness.queue.send_many([b"one", b"two", b"three"])
        messages = await receive(harness.queue, 3)

        await harness.queue.send_back([message for message in messages if message.body != b"two"])

        assert sorted(await drain(harness.queue, 2)) == [b"one", b"three"]
        await self.close(harness)
        async with harness.another() as other:
            assert await drain(other, 1) == [b"two"]
            await other.send_many([b"last"])
            assert await drain(other, 1) == [b"last"]

    async def test_what_was_lent_over_a_lost_connection_is_not_sent_back_beside_itself(
        self, harness: QueueHarness
    ) -> None:
        await harness.queue.send_many([b"one"])
        stale = await receive(harness.queue, 1)
        await harness.lose_connections()
        again = await receive(harness.queue, 1)

        await harness.queue.send_back(stale)

        await harness.queue.send_back(again)
        assert await drain(harness.queue, 1) == [b"one"]
        await harness.queue.send_many([b"last"])
        assert await drain(harness.queue, 1) == [b"last"]

    async def test_what_goes_round_often_is_not_taken_for_rejected(self, harness: QueueHarness) -> None:
        await harness.queue.send_many([b"one"])
        for _ in range(harness.deliveries * 2 + 3):
            await harness.queue.send_back(await receive(harness.queue, 1))

        assert await drain(harness.queue, 1) == [b"one"]

    async def test_it_says_how_much_is_lent_at_most(self, harness: QueueHarness) -> None:
        assert harness.queue.window == PREFETCH

    async def test_a_message_is_lent_to_one_process_only(self, harness: QueueHarness) -> None:
        bodies = [b"%d" % number for number in range(100)]
        received: list[bytes] = []

        async def work(queue: Queue) -> None:
            while len(received) < 100:
                messages = await queue.receive()
                received.extend(message.body for message in messages)
                queue.ack(messages)
            finished.set()

        finished = asyncio.Event()
        async with harness.another() as other:
            workers = [asyncio.create_task(work(queue)) for queue in (harness.queue, other)]
            await harness.queue.send_many(bodies)
            await finished.wait()
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)

        assert sorted(received) == sorted(bodies)

    async def test_no_more_is_lent_than_was_asked_for(self, harness: QueueHarness) -> None:
        """FIX-5: a process that is given everything starves the others, and a crash of it costs each message a try."""
        await harness.queue.send_many([b"%d" % number for number in range(PREFETCH * 3)])
        held = await receive(harness.queue, PREFETCH)

        async with harness.another() as other:
            rest = await receive(other, PREFETCH)
            other.ack(rest)
            rest += await receive(other, PREFETCH)

        assert len(held) == PREFETCH
        assert {message.body for message in held}.isdisjoint(message.body for message in rest)

    async def test_it_says_that_it_is_connected(self, harness: QueueHarness) -> None:
        await harness.queue.send_many([b"one"])
        await receive(harness.queue, 1)

        assert harness.queue.is_connected
        assert harness.queue.trouble is None

    # --- steps

    async def close(self, harness: QueueHarness) -> None:
        await harness.queue.__aexit__(None, None, None)


async def receive(queue: Queue, count: int) -> list[Message]:
    """Receive until there are so many messages."""
    messages: list[Message] = []
    while len(messages) < count:
        messages += await queue.receive()
    return messages


async def drain(queue: Queue, count: int) -> list[bytes]:
    """Receive so many messages, acknowledge them as they come, and return their bodies."""
    bodies: list[bytes] = []
    while len(bodies) < count:
        messages = await queue.receive()
        queue.ack(messages)
        bodies += [message.body for message in messages]
    return bodies
