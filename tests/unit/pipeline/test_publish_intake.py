"""Events that are published through a queue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from outpost.domain.errors import CannotUnseal, InvalidInput, PublishContended, QueueUnavailable, ValidationFailed
from outpost.domain.identifiers import EventId, TenantId
from outpost.pipeline import patience, publish_intake
from outpost.pipeline.publish import PublishCommand, PublishResult
from outpost.pipeline.publish_intake import PublishIntake
from outpost.queues.memory import MemoryBroker, MemoryQueue


class Publishing:
    """Stands in for the publisher: says of each event what it was told to, and else that it is accepted."""

    def __init__(self) -> None:
        self.accepted: list[str] = []
        self.tried: list[str] = []
        self.errors: dict[str, list[Exception]] = {}
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.changed = asyncio.Event()

    async def publish(self, command: PublishCommand) -> PublishResult:
        assert command.id is not None
        self.tried.append(command.id)
        self.changed.set()
        await self.may_go_on.wait()
        if errors := self.errors.get(command.id):
            raise errors.pop(0)
        self.accepted.append(command.id)
        self.changed.set()
        return PublishResult(id=command.id, duplicate=command.id == "again", destination_ids=())

    async def until_accepted(self, *names: str) -> None:
        async with asyncio.timeout(5):
            while set(self.accepted) < set(names):
                self.changed.clear()
                await self.changed.wait()

    async def until_tried(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.tried) < count:
                self.changed.clear()
                await self.changed.wait()


def _decode(body: bytes) -> PublishCommand:
    if body == b"broken":
        raise ValidationFailed("invalid JSON")
    return PublishCommand(tenant_id=TenantId("acme"), id=EventId(body.decode()), data=b"{}", topic="t")


@asynccontextmanager
async def _reading(broker: MemoryBroker, publishing: Publishing, *, prefetch: int = 10) -> AsyncIterator[None]:
    async with MemoryQueue(broker, prefetch=prefetch) as inbox:
        intake = PublishIntake(inbox=inbox, decode=_decode, publish=publishing.publish)
        running = asyncio.create_task(intake.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.wait([running])
    assert running.cancelled() or running.exception() is None


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_intake, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(patience, "_FIRST_PAUSE", 0)


async def test_what_was_accepted_does_not_come_again() -> None:
    broker, publishing = MemoryBroker(), Publishing()
    broker.add([b"one", b"again"])

    async with _reading(broker, publishing):
        await publishing.until_accepted("one", "again")

    assert (list(broker.waiting), broker.dead_letters) == ([], [])


@pytest.mark.parametrize("error", [ValidationFailed("topic is invalid"), InvalidInput("no")])
async def test_what_can_never_be_accepted_is_refused_once_and_holds_up_nobody(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """FIX-30."""
    broker, publishing = MemoryBroker(), Publishing()
    publishing.errors["bad"] = [error]
    broker.add([b"one", b"broken", b"bad", b"two"])

    async with _reading(broker, publishing, prefetch=1):
        await publishing.until_accepted("one", "two")

    assert broker.dead_letters == [b"broken", b"bad"]
    assert publishing.tried == ["one", "bad", "two"]
    assert [getattr(record, "fields", {})["error"] for record in caplog.records] == ["invalid JSON", str(error)]


@pytest.mark.parametrize("error", [QueueUnavailable("q", "away"), PublishContended(), CannotUnseal("a secret")])
async def test_what_cannot_be_accepted_now_is_held_and_tried_again(error: Exception) -> None:
    broker, publishing = MemoryBroker(), Publishing()
    publishing.errors["one"] = [error, error, error]
    broker.add([b"one"])

    async with _reading(broker, publishing):
        await publishing.until_accepted("one")

    assert publishing.tried == ["one"] * 4
    assert (list(broker.waiting), broker.dead_letters) == ([], [])


async def test_no_more_than_was_lent_is_begun() -> None:
    broker, publishing = MemoryBroker(), Publishing()
    publishing.may_go_on.clear()
    broker.add([b"one", b"two", b"three"])

    async with _reading(broker, publishing, prefetch=2):
        await publishing.until_tried(2)
        waiting = list(broker.waiting)
        publishing.may_go_on.set()
        await publishing.until_accepted("one", "two", "three")

    assert waiting == [b"three"]


async def test_what_was_begun_is_ended_and_acknowledged_at_the_end() -> None:
    broker, publishing = MemoryBroker(), Publishing()
    publishing.may_go_on.clear()
    broker.add([b"one"])

    async with _reading(broker, publishing):
        await publishing.until_tried(1)
        asyncio.get_running_loop().call_soon(publishing.may_go_on.set)

    assert publishing.accepted == ["one"]
    assert list(broker.waiting) == []


async def test_what_does_not_end_in_time_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_intake, "_END_SECONDS", 0)
    broker, publishing = MemoryBroker(), Publishing()
    publishing.may_go_on.clear()
    broker.add([b"one"])

    async with _reading(broker, publishing):
        await publishing.until_tried(1)

    assert list(broker.waiting) == [b"one"]
