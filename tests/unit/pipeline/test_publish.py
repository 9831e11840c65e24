"""Accepting events."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import msgspec
import pytest

from outpost.conformance.ledger import START, a_settlement
from outpost.domain.attempt import Attempt
from outpost.domain.destination import Destination
from outpost.domain.errors import BacklogFull, CannotUnseal, ValidationFailed
from outpost.domain.event import Event
from outpost.domain.identifiers import DestinationId, EventId, TenantId
from outpost.pipeline import publish as module
from outpost.pipeline.lanes import LaneLimits, Lanes
from outpost.pipeline.match import Matcher
from outpost.pipeline.publish import PublishCommand, Publisher, PublishResult
from outpost.ports.ledger import LeasedTask, Settlement
from outpost.stores.ledger.memory import MemoryLedger
from outpost.telemetry.event_lines import EventLine

ACME = TenantId("acme")


def a_destination(name: str, topics: tuple[str, ...] = ("*",), disabled_at: datetime | None = None) -> Destination:
    return Destination(
        id=DestinationId(name),
        tenant_id=ACME,
        type="webhook",
        topics=topics,
        config={},
        credentials={},
        delivery_metadata={},
        metadata={},
        created_at=START,
        updated_at=START,
        disabled_at=disabled_at,
    )


class World:
    """A publisher with everything it needs, in memory."""

    def __init__(self, topics: Sequence[str] = (), backlog_limit: int = 1000) -> None:
        self.by_tenant: dict[TenantId, Sequence[Destination]] = {}
        self.unreadable: set[TenantId] = set()
        self.events: list[Event] = []
        self.delivered: list[LeasedTask] = []
        self.ledger = MemoryLedger(log=self, clock=lambda: START, backlog_limit=backlog_limit)
        self.lanes = Lanes(
            queue=self.ledger,
            deliver=self.deliver,
            settle=self.ledger.settle_many,
            clock=lambda: START,
            limits=LaneLimits(),
        )
        self.publisher = Publisher(
            tenants=self,
            matcher=Matcher(),
            ledger=self.ledger,
            lanes=self.lanes,
            topics=topics,
            mint_event_id=lambda: "minted",
            clock=lambda: START,
        )

    async def destinations(self, tenant_id: TenantId) -> Sequence[Destination]:
        if tenant_id in self.unreadable:
            raise CannotUnseal("the secrets of a destination")
        return self.by_tenant.get(tenant_id, ())

    async def deliver(self, leased: LeasedTask) -> Settlement:
        self.delivered.append(leased)
        return a_settlement(leased, success=True)

    def remember_event(self, event: Event) -> None:
        self.events.append(event)

    def remember_attempt(self, attempt: Attempt) -> None: ...

    async def publish(self, command: PublishCommand) -> PublishResult | Exception:
        (result,) = await self.publisher.publish_many([command])
        return result


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World(topics=("user.created", "user.updated"))
    world.by_tenant[ACME] = [a_destination("all"), a_destination("created", ("user.created",))]
    owner = asyncio.create_task(world.lanes.run())
    await asyncio.sleep(0)
    yield world
    owner.cancel()
    await asyncio.wait([owner])


def a_command(**fields: object) -> PublishCommand:
    command = PublishCommand(tenant_id=ACME, data=b'{"n":1}', topic="user.created")
    return msgspec.structs.replace(command, **fields)


async def test_an_event_is_owed_to_each_destination_that_wants_it(world: World) -> None:
    result = await world.publish(a_command(topic="user.updated"))

    assert result == PublishResult(id=EventId("minted"), duplicate=False, destination_ids=(DestinationId("all"),))
    assert [event.matched_destination_ids for event in world.events] == [("all",)]


async def test_what_was_accepted_is_delivered_at_once(world: World) -> None:
    await world.publish(a_command())
    await asyncio.sleep(0)

    assert [leased.task.destination_id for leased in world.delivered] == ["all", "created"]


async def test_an_event_nobody_wants_is_answered_and_not_stored(world: World) -> None:
    result = await world.publish(a_command(tenant_id=TenantId("unknown")))

    assert isinstance(result, PublishResult)
    assert list(result.destination_ids) == []
    assert world.events == []


@pytest.mark.parametrize(("topic", "message"), [("", "topic is required"), ("nope", "topic is invalid")])
async def test_a_topic_that_is_not_configured_is_refused(world: World, topic: str, message: str) -> None:
    result = await world.publish(a_command(topic=topic))

    assert isinstance(result, ValidationFailed)
    assert result.messages == (message,)


@pytest.mark.parametrize("field", ["id", "topic"])
@pytest.mark.parametrize(
    ("text", "fits"), [("x" * 768, True), ("x" * 769, False), ("é" * 384, True), ("é" * 385, False)]
)
async def test_an_id_or_topic_too_long_for_an_index_is_refused(field: str, text: str, *, fits: bool) -> None:
    world = World()
    command = msgspec.structs.replace(a_command(tenant_id=TenantId("unknown")), **{field: text})

    result = await world.publish(command)

    if fits:
        assert isinstance(result, PublishResult)
    else:
        assert isinstance(result, ValidationFailed)
        assert result.messages == (f"{field} must have at most 768 bytes",)


async def test_the_topic_star_is_for_everyone(world: World) -> None:
    result = await world.publish(a_command(topic="*"))

    assert isinstance(result, PublishResult)
    assert list(result.destination_ids) == ["all", "created"]


async def test_one_refused_event_does_not_disturb_its_neighbours(world: World) -> None:
    results = await world.publisher.publish_many([a_command(topic="nope"), a_command(id=EventId("good"))])

    assert isinstance(results[0], ValidationFailed)
    assert isinstance(results[1], PublishResult)
    assert [event.id for event in world.events] == ["good"]


async def test_a_pinned_destination_must_still_want_the_event(world: World) -> None:
    wanted = await world.publish(a_command(destination_id=DestinationId("created")))
    unwanted = await world.publish(a_command(destination_id=DestinationId("created"), topic="user.updated"))

    assert isinstance(wanted, PublishResult)
    assert isinstance(unwanted, PublishResult)
    assert (list(wanted.destination_ids), list(unwanted.destination_ids)) == (["created"], [])
    assert [event.destination_id for event in world.events] == ["created"]


async def test_a_duplicate_still_tells_who_matches_now(world: World) -> None:
    await world.publish(a_command(id=EventId("evt_1")))
    world.by_tenant[ACME] = [a_destination("all")]

    again = await world.publish(a_command(id=EventId("evt_1")))

    assert again == PublishResult(id=EventId("evt_1"), duplicate=True, destination_ids=(DestinationId("all"),))
    assert len(world.events) == 1


async def test_past_the_backlog_limit_publishing_is_refused(world: World) -> None:
    full = World(backlog_limit=1)
    full.by_tenant[ACME] = [a_destination("all")]
    await full.publish(a_command())

    with pytest.raises(BacklogFull):
        await full.publish(a_command())


async def test_a_tenant_whose_destinations_cannot_be_read_does_not_hold_up_the_others(world: World) -> None:
    """FIX-10: nor is its event answered as one that nobody wants."""
    broken = TenantId("broken")
    world.unreadable = {broken}

    results = await world.publisher.publish_many([a_command(tenant_id=broken), a_command()])

    assert isinstance(results[0], CannotUnseal)
    assert isinstance(results[1], PublishResult)
    assert [event.tenant_id for event in world.events] == [ACME]


@pytest.fixture
def every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no line be left out because other tests published within the same second."""
    monkeypatch.setattr(module, "_received", EventLine(logging.getLogger("outpost.publish"), "event.received"))


def _told(caplog: pytest.LogCaptureFixture, *names: str) -> list[tuple[object, ...]]:
    """Return these fields of each line about an event that was received, and None where there is no such field."""
    lines = [vars(record)["fields"] for record in caplog.records if record.message == "event.received"]
    return [tuple(fields.get(name) for name in names) for fields in lines]


@pytest.mark.usefixtures("every_line")
async def test_a_line_tells_what_became_of_each_event(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        for command in (
            a_command(id=EventId("evt_1")),
            a_command(id=EventId("evt_1")),
            a_command(id=EventId("evt_2"), topic="user.updated", destination_id=DestinationId("created")),
        ):
            await world.publish(command)

    names = ("event_id", "matched_destination_count", "enqueued_destination_ids", "duplicate", "destination_id")
    assert _told(caplog, *names) == [
        ("evt_1", 2, ("all", "created"), False, None),
        ("evt_1", 2, (), True, None),
        ("evt_2", 0, (), False, "created"),
    ]
    assert _told(caplog, "event_received_at", "duration_ms") == [("2026-01-02T03:04:05Z", 0)] * 3


@pytest.mark.usefixtures("every_line")
async def test_a_line_tells_why_an_event_was_not_accepted(caplog: pytest.LogCaptureFixture) -> None:
    full = World(backlog_limit=0)
    full.by_tenant[ACME] = [a_destination("all")]
    full.unreadable = {TenantId("broken")}

    with caplog.at_level("INFO"):
        await full.publish(a_command(tenant_id=TenantId("broken")))
        with pytest.raises(BacklogFull):
            await full.publish(a_command())

    names = ("tenant_id", "matched_destination_ids", "enqueued_destination_ids", "match_failed", "enqueue_failed")
    assert _told(caplog, *names) == [("broken", (), (), True, None), (ACME, ("all",), (), None, True)]
