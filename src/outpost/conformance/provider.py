"""What the code of every destination type must do."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import pytest

from outpost.conformance.builders import START, an_event
from outpost.domain.attempt import AttemptStatus
from outpost.domain.delivery import DeliveryResult, DeliveryTask
from outpost.domain.destination import Destination
from outpost.domain.errors import ValidationFailed
from outpost.ports.provider import DestinationChange, Provider

_TEXTS = ("label", "description", "icon", "instructions")


@dataclass
class ProviderHarness:
    """A provider under test and what its destinations lead to.

    Attributes:
        destination: A whole one, which leads to a receiver of this harness.
        unreachable: Leads to where nobody answers.
        forbidden: Leads to the same receiver, by an address that the egress guard refuses.
        secrets: What of these three must never be shown.
        broken: Config and credentials that break a rule in each of these fields, given in the schema's order.
        broken_fields: `config.…` and `credentials.…`.
        received: Waits until so many events have arrived and returns their data, in any order.
        hold: Makes the receiver take what comes and not answer.
        let_go: Makes it answer again, also what it held.
        timeout: The delivery deadline of `provider`.
    """

    provider: Provider
    destination: Destination
    unreachable: Destination
    forbidden: Destination
    secrets: Sequence[str]
    broken: Destination
    broken_fields: Sequence[str]
    received: Callable[[int], Awaitable[Sequence[bytes]]]
    hold: Callable[[], None]
    let_go: Callable[[], None]
    timeout: timedelta


class ProviderConformance:
    """Bind it by a fixture `harness` that yields a ProviderHarness."""

    def test_its_description_is_complete(self, harness: ProviderHarness) -> None:
        schema = harness.provider.schema

        assert schema["type"] == harness.provider.type
        assert [text for text in _TEXTS if not schema[text]] == []
        for field in [*schema["config_fields"], *schema["credential_fields"]]:
            assert [name for name in ("key", "type", "label") if not field[name]] == []
            assert isinstance(field["required"], bool)

    def test_a_whole_destination_is_valid(self, harness: ProviderHarness) -> None:
        harness.provider.validate(harness.destination)

    def test_every_broken_rule_is_told_in_the_order_of_the_schema(self, harness: ProviderHarness) -> None:
        with pytest.raises(ValidationFailed) as caught:
            harness.provider.validate(harness.broken)

        assert [message.split(" ")[0] for message in caught.value.messages] == list(harness.broken_fields)

    def test_a_required_field_that_is_missing_is_named(self, harness: ProviderHarness) -> None:
        schema = harness.provider.schema
        required = [f"config.{field['key']}" for field in schema["config_fields"] if field["required"]]
        required += [f"credentials.{field['key']}" for field in schema["credential_fields"] if field["required"]]
        empty = msgspec.structs.replace(harness.destination, config={}, credentials={})

        with pytest.raises(ValidationFailed) as caught:
            harness.provider.validate(empty)

        assert list(caught.value.messages) == [f"{field} is required" for field in required]

    async def test_what_was_prepared_is_valid_and_stays_as_it_is(self, harness: ProviderHarness) -> None:
        prepared = await self.prepared(harness, harness.destination, None)
        again = await self.prepared(harness, prepared, prepared)

        harness.provider.validate(prepared)
        assert again == prepared

    async def test_preparing_leaves_what_belongs_to_outpost(self, harness: ProviderHarness) -> None:
        prepared = await self.prepared(harness, harness.destination, None)

        changed = msgspec.structs.replace(
            prepared, config=harness.destination.config, credentials=harness.destination.credentials
        )
        assert changed == harness.destination

    def test_sensitive_credentials_are_shown_masked(self, harness: ProviderHarness) -> None:
        stored = harness.destination.credentials
        shown = harness.provider.shown_credentials(harness.destination, now=START)

        assert shown.keys() <= stored.keys()
        sensitive = [field["key"] for field in harness.provider.schema["credential_fields"] if field.get("sensitive")]
        assert [key for key in sensitive if key in stored and shown.get(key) == stored[key]] == []

    def test_a_target_is_a_text_without_secrets(self, harness: ProviderHarness) -> None:
        target = harness.provider.target(harness.destination)

        assert target.text
        self.keeps_secrets(harness, target.text, target.url)

    async def test_an_event_arrives_with_its_data_as_it_was_sent(self, harness: ProviderHarness) -> None:
        result = await self.send(harness, harness.destination)

        assert result.status is AttemptStatus.SUCCESS
        assert await harness.received(1) == [an_event().data]

    async def test_sends_of_one_sender_run_together(self, harness: ProviderHarness) -> None:
        harness.hold()
        sender = harness.provider.open(harness.destination)
        async with asyncio.TaskGroup() as tasks:
            sends = [tasks.create_task(sender.send(self.task(harness, f"evt_{n}"), now=START)) for n in range(10)]
            await harness.received(10)  # none has been answered
            harness.let_go()
        await sender.close()

        assert {send.result().status for send in sends} == {AttemptStatus.SUCCESS}

    async def test_closing_lets_a_send_in_flight_end(self, harness: ProviderHarness) -> None:
        harness.hold()
        sender = harness.provider.open(harness.destination)
        async with asyncio.TaskGroup() as tasks:
            send = tasks.create_task(sender.send(self.task(harness), now=START))
            await harness.received(1)
            tasks.create_task(sender.close())
            await asyncio.sleep(0)
            harness.let_go()

        assert send.result().status is AttemptStatus.SUCCESS

    async def test_a_destination_that_does_not_answer_is_a_failure_in_time(self, harness: ProviderHarness) -> None:
        harness.hold()
        started = asyncio.get_running_loop().time()
        result = await self.send(harness, harness.destination)
        took = asyncio.get_running_loop().time() - started

        assert (result.status, result.code) == (AttemptStatus.FAILED, "timeout")
        assert took < harness.timeout.total_seconds() + 1

    async def test_a_destination_that_cannot_be_reached_is_a_failure(self, harness: ProviderHarness) -> None:
        result = await self.send(harness, harness.unreachable)

        assert result.status is AttemptStatus.FAILED
        assert result.code not in ("", "ERR")

    async def test_nothing_is_sent_where_the_egress_guard_refuses(self, harness: ProviderHarness) -> None:
        result = await self.send(harness, harness.forbidden)
        await self.send(harness, harness.destination, "evt_2")

        assert (result.status, result.code) == (AttemptStatus.FAILED, "egress_refused")
        assert len(await harness.received(1)) == 1

    async def test_a_cancelled_send_leaves_the_sender_usable(self, harness: ProviderHarness) -> None:
        harness.hold()
        sender = harness.provider.open(harness.destination)
        send = asyncio.create_task(sender.send(self.task(harness), now=START))
        await harness.received(1)
        send.cancel()
        await asyncio.wait([send])
        harness.let_go()

        result = await sender.send(self.task(harness, "evt_2"), now=START)

        assert result.status is AttemptStatus.SUCCESS
        await sender.close()

    async def test_no_secret_is_shown(self, harness: ProviderHarness, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, logger="outpost")
        sender = harness.provider.open(harness.destination)
        results = [await self.send(harness, each) for each in (harness.unreachable, harness.forbidden)]
        await sender.close()

        self.keeps_secrets(harness, repr(harness.provider), repr(sender), repr(results), str(harness.provider.schema))
        self.keeps_secrets(harness, *(repr(record.__dict__) for record in caplog.records))

    # --- what the tests are made of

    @staticmethod
    async def prepared(harness: ProviderHarness, wanted: Destination, stored: Destination | None) -> Destination:
        change = DestinationChange(wanted=wanted, stored=stored, role="admin", sent_credentials={}, now=START)
        return await harness.provider.prepare(change)

    @staticmethod
    def task(harness: ProviderHarness, event_id: str = "evt_1") -> DeliveryTask:
        return DeliveryTask(event=an_event(event_id), destination_id=harness.destination.id)

    async def send(self, harness: ProviderHarness, to: Destination, event_id: str = "evt_1") -> DeliveryResult:
        sender = harness.provider.open(to)
        try:
            return await sender.send(self.task(harness, event_id), now=START)
        finally:
            await sender.close()

    @staticmethod
    def keeps_secrets(harness: ProviderHarness, *texts: str) -> None:
        assert [text for text in texts if any(secret in text for secret in harness.secrets)] == []
