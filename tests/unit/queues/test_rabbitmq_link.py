"""Keeping a connection, beside a broker that says what it is told."""

import asyncio
import logging

import pytest

from outpost.clients.amqp import AmqpOptions, Channel, Connection
from outpost.domain.errors import ConfigurationError
from outpost.queues import rabbitmq_link as module
from outpost.queues.rabbitmq_link import Link
from outpost.telemetry.outages import OUTAGES
from tests.support.amqp_broker import CHANNEL_OPEN_OK, OPEN_OK, broker_that_says, close, start, tune
from tests.support.servers import free_port

LOGIN = (start(), tune(), OPEN_OK)


class Prepared:
    """What a link was asked to prepare."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.times = 0
        self.downs = 0
        self.down_again = asyncio.Event()

    async def prepare(self, connection: Connection) -> Channel:
        self.times += 1
        if self.faults:
            raise self.faults.pop(0)
        return await connection.channel()

    def down(self) -> None:
        self.downs += 1
        self.down_again.set()

    def link(self, port: int) -> Link:
        return Link(AmqpOptions(host="127.0.0.1", port=port), prepare=self.prepare, down=self.down)


async def test_nothing_is_opened_before_it_is_needed() -> None:
    async with broker_that_says(*LOGIN) as port:
        link = Prepared().link(port)
        assert link.trouble is None

        await link.ready(within=5)
        assert link.trouble is None
        await link.stop()


async def test_what_cannot_be_prepared_is_tried_again() -> None:
    prepared = Prepared(ConfigurationError("no queue 'q'"), TimeoutError())
    async with broker_that_says(*LOGIN) as port:
        link = prepared.link(port)

        await link.ready(within=5)

        assert (prepared.times, prepared.downs) == (3, 2)
        await link.stop()


async def test_trouble_says_what_is_wrong() -> None:
    prepared = Prepared(*[ConfigurationError("no queue 'q'")] * 100)
    async with broker_that_says(*LOGIN) as port:
        link = prepared.link(port)
        link.check()
        assert link.trouble == "not connected yet"

        with pytest.raises(TimeoutError):
            await link.ready(within=0.1)

        assert link.trouble == "no queue 'q'"
        await link.stop()


async def test_a_broker_that_many_links_miss_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    OUTAGES.forget()
    port = free_port()
    links = [Prepared().link(port) for _ in range(4)]
    with caplog.at_level(logging.INFO):
        for link in links:
            link.check()
        for link in links:
            with pytest.raises(TimeoutError):
                await link.ready(within=0.1)
            await link.stop()

    (record,) = caplog.records
    fields = vars(record)["fields"]
    assert record.message == "a dependency is away"
    assert fields["dependency"] == f"RabbitMQ at 127.0.0.1:{port}"


async def test_a_connection_that_this_program_renews_is_no_outage(caplog: pytest.LogCaptureFixture) -> None:
    async with broker_that_says(*LOGIN) as port:
        link = Prepared().link(port)
        await link.ready(within=5)

        with caplog.at_level(logging.INFO):
            link.renew("a test says so")
            await link.ready(within=5)

        assert [record.message for record in caplog.records] == ["queue connection renewed"]
        await link.stop()


async def test_a_preparation_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PREPARE_SECONDS", 0.02)
    prepared = Prepared()

    async def prepare(connection: Connection) -> Channel:
        await asyncio.Event().wait()
        raise AssertionError

    async with broker_that_says(*LOGIN) as port:
        link = Link(AmqpOptions(host="127.0.0.1", port=port), prepare=prepare, down=prepared.down)
        link.check()

        await prepared.down_again.wait()

        assert "not ready within 0.02 s" in (link.trouble or "")
        await link.stop()


async def test_a_fault_in_the_program_is_raised_to_whoever_uses_the_link() -> None:
    prepared = Prepared(ZeroDivisionError())
    async with broker_that_says(*LOGIN) as port:
        link = prepared.link(port)
        link.check()

        await prepared.down_again.wait()  # so that whoever waits looks again

        with pytest.raises(ZeroDivisionError):
            link.check()
        with pytest.raises(ZeroDivisionError):
            await link.ready(within=5)
        await link.stop()


async def test_a_channel_that_has_just_ended_is_not_ready() -> None:
    prepared = Prepared()
    async with broker_that_says(*LOGIN) as port:
        link = prepared.link(port)
        await link.ready(within=5)

        link.renew("a test says so")
        await link.ready(within=5)

        assert (prepared.times, prepared.downs) == (2, 1)
        await link.stop()


async def test_a_broker_that_closes_the_connection_at_once_is_met_again_and_again() -> None:
    prepared = Prepared()
    goodbye = CHANNEL_OPEN_OK + close(0, 320, "CONNECTION_FORCED")
    async with broker_that_says(*LOGIN, to_a_channel=goodbye) as port:
        link = prepared.link(port)
        link.check()

        while prepared.downs < 3:
            prepared.down_again.clear()
            await prepared.down_again.wait()

        await link.stop()


def test_pauses_grow_and_stay_below_a_second() -> None:
    for failures in range(1, 100):
        assert 0.025 <= module._pause(failures) <= 0.7
    assert max(module._pause(1) for _ in range(50)) <= 0.05
    assert min(module._pause(30) for _ in range(50)) >= 0.35
