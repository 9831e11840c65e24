"""What destinations answered is kept until it is stored."""

import asyncio
from collections.abc import Sequence

import pytest

from outpost.conformance.ledger import ONE, START, a_settlement, an_acceptance
from outpost.domain.attempt import Attempt
from outpost.domain.delivery import DeliveryTask
from outpost.domain.errors import StoreCorrupted, StoreUnavailable
from outpost.domain.event import Event
from outpost.pipeline.settle import Settler
from outpost.ports.ledger import LeasedTask, Settlement
from outpost.stores.ledger.memory import MemoryLedger


class _Log:
    def remember_event(self, event: Event) -> None: ...

    def remember_attempt(self, attempt: Attempt) -> None: ...


class _Ledger(MemoryLedger):
    def __init__(self, failures: list[Exception]) -> None:
        super().__init__(log=_Log(), clock=lambda: START)
        self.failures = failures
        self.settled: list[Settlement] = []

    async def settle_many(self, settlements: Sequence[Settlement]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.settled.extend(settlements)


def settlement() -> Settlement:
    return a_settlement(LeasedTask(DeliveryTask(event=an_acceptance().event, destination_id=ONE), 1), success=True)


async def test_an_answer_is_kept_until_the_ledger_takes_it() -> None:
    """FIX-2: the attempt is durable before its task is let go."""
    ledger = _Ledger([StoreUnavailable("SQLite", "disk full"), StoreUnavailable("SQLite", "disk full")])

    await Settler(ledger).settle([settlement()])

    assert len(ledger.settled) == 1


async def test_damaged_data_is_not_retried() -> None:
    ledger = _Ledger([StoreCorrupted("SQLite", "malformed")])

    with pytest.raises(StoreCorrupted):
        async with asyncio.timeout(5):
            await Settler(ledger).settle([settlement()])
