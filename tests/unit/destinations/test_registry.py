"""Providers by type, and senders kept open."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from outpost.destinations import registry as registry_module
from outpost.destinations.registry import Registry
from outpost.domain.attempt import AttemptStatus
from outpost.domain.delivery import DeliveryResult, DeliveryTask
from outpost.domain.destination import Destination
from outpost.domain.errors import UnknownDestinationType, ValidationFailed
from outpost.ports.provider import DestinationChange, DestinationTarget, Sender
from tests.support.builders import a_destination


class RecordingSender:
    """Notes when it is closed; closing waits until it may end."""

    def __init__(self, destination: Destination, may_close: asyncio.Event, *, breaks: bool) -> None:
        self.destination = destination
        self.closed = asyncio.Event()
        self._may_close = may_close
        self._breaks = breaks

    async def send(self, task: DeliveryTask, *, now: datetime) -> DeliveryResult:
        return DeliveryResult(status=AttemptStatus.SUCCESS, code="OK")

    async def close(self) -> None:
        await self._may_close.wait()
        self.closed.set()
        if self._breaks:
            raise RuntimeError("hush")


class RecordingProvider:
    """Opens senders and keeps them to look at."""

    def __init__(self, type_: str = "webhook", *, breaks: bool = False) -> None:
        self.type = type_
        self.schema: Mapping[str, Any] = {"type": type_}
        self.opened: list[RecordingSender] = []
        self.may_close = asyncio.Event()
        self.may_close.set()
        self._breaks = breaks

    async def prepare(self, change: DestinationChange) -> Destination:
        return change.wanted

    def validate(self, destination: Destination) -> None: ...

    def shown_credentials(self, destination: Destination, *, now: datetime) -> dict[str, str]:
        return destination.credentials

    def target(self, destination: Destination) -> DestinationTarget:
        return DestinationTarget(self.type)

    def open(self, destination: Destination) -> Sender:
        if destination.config.get("broken"):
            raise ValidationFailed("config.broken is forbidden")
        self.opened.append(RecordingSender(destination, self.may_close, breaks=self._breaks))
        return self.opened[-1]


async def test_a_type_finds_its_provider_and_schemas_keep_their_order() -> None:
    one, two = RecordingProvider("webhook"), RecordingProvider("aws_sqs")
    async with Registry([one, two]) as registry:
        assert registry.provider("aws_sqs") is two
        assert [schema["type"] for schema in registry.schemas()] == ["webhook", "aws_sqs"]


async def test_a_type_nobody_provides_is_named() -> None:
    async with Registry([RecordingProvider()]) as registry:
        with pytest.raises(UnknownDestinationType, match="destination type: fax"):
            registry.provider("fax")
        with pytest.raises(UnknownDestinationType):
            registry.sender(a_destination(type="fax"))


async def test_a_destination_finds_its_sender_again() -> None:
    provider, destination = RecordingProvider(), a_destination()
    async with Registry([provider]) as registry:
        assert registry.sender(destination) is registry.sender(destination)
        assert len(provider.opened) == 1


async def test_the_same_id_in_two_tenants_is_two_destinations() -> None:
    provider, ours, theirs = RecordingProvider(), a_destination(), a_destination(tenant_id="other")
    async with Registry([provider]) as registry:
        assert registry.sender(ours) is not registry.sender(theirs)
        assert registry.sender(ours) is provider.opened[0]


@pytest.mark.parametrize(
    "change", [{"config": {"url": "https://b.example"}}, {"credentials": {"secret": "new"}}, {"delivery_metadata": {}}]
)
async def test_a_changed_destination_gets_a_new_sender_and_the_old_one_is_closed(change: dict[str, Any]) -> None:
    provider = RecordingProvider()
    async with Registry([provider]) as registry:
        registry.sender(a_destination())
        changed = a_destination(**change)

        assert registry.sender(changed) is provider.opened[1]
        await provider.opened[0].closed.wait()
        assert not provider.opened[1].closed.is_set()
        assert provider.opened[1].destination is changed


async def test_a_destination_that_cannot_be_opened_leaves_no_sender_behind() -> None:
    provider = RecordingProvider()
    async with Registry([provider]) as registry:
        registry.sender(a_destination())
        with pytest.raises(ValidationFailed):
            registry.sender(a_destination(config={"broken": "yes"}))

        await provider.opened[0].closed.wait()
        registry.sender(a_destination())
        assert len(provider.opened) == 2


async def test_the_sender_used_longest_ago_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "_OPEN_SENDERS", 2)
    provider = RecordingProvider()
    one, two, three = (a_destination(name) for name in ("des_1", "des_2", "des_3"))
    async with Registry([provider]) as registry:
        first = registry.sender(one)
        registry.sender(two)
        registry.sender(one)
        registry.sender(three)

        await provider.opened[1].closed.wait()
        assert registry.sender(one) is first


async def test_the_end_waits_until_every_sender_is_closed() -> None:
    provider = RecordingProvider()
    provider.may_close.clear()
    registry = Registry([provider])
    async with registry:
        registry.sender(a_destination())
        registry.sender(a_destination())
        ending = asyncio.get_running_loop().create_task(registry.__aexit__(None, None, None))
        await asyncio.sleep(0)
        assert not ending.done()

        provider.may_close.set()
        await ending

    assert [sender.closed.is_set() for sender in provider.opened] == [True, True]


async def test_a_sender_that_breaks_while_closing_is_reported_without_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        async with Registry([RecordingProvider(breaks=True)]) as registry:
            registry.sender(a_destination())

    (record,) = caplog.records
    assert record.getMessage() == "a sender did not close properly"
    assert record.__dict__["fields"] == {"error": "RuntimeError"}


async def test_without_its_secrets_a_destination_has_no_sender() -> None:
    provider = RecordingProvider()
    async with Registry([provider]) as registry:
        registry.sender(a_destination())

        with pytest.raises(ValidationFailed, match="cannot be decrypted"):
            registry.sender(a_destination(credentials={}, secrets_lost=True))

        await provider.opened[0].closed.wait()
    assert len(provider.opened) == 1
