"""What every profile makes in the same way."""

import asyncio
from collections.abc import Sequence

import pytest

from outpost.config.load import load_settings
from outpost.crypto import Sealer
from outpost.domain.errors import CannotUnseal, QueueUnavailable, StoreUnavailable
from outpost.queues.memory import MemoryBroker, MemoryQueue
from outpost.stores.tenant.memory import MemoryTenantRecords
from outpost.stores.tenant.sealed import SealedTenantStore
from outpost.wiring.parts import open_tenants, queue_probe
from tests.support.builders import ONE, START, TENANT, TWO, a_destination


async def test_a_queue_whose_broker_is_away_is_not_ready_until_it_is_back() -> None:
    broker = MemoryBroker()
    probe = queue_probe(MemoryQueue(broker))
    await probe()

    broker.go_away("connection refused")
    with pytest.raises(QueueUnavailable):
        await probe()

    broker.come_back()
    await probe()


# --- the tenant store, and whether the key fits


class Records(MemoryTenantRecords):
    """Gives no sample at the start: the store is away, or hangs."""

    def __init__(self, *, hangs: bool) -> None:
        super().__init__()
        self.away = True
        self._hangs = hangs

    async def sealed_sample(self, most: int) -> Sequence[bytes]:
        if not self.away:
            return await super().sealed_sample(most)
        if self._hangs:
            await asyncio.Event().wait()
        raise StoreUnavailable("Redis", "connection refused")


async def _stored(records: MemoryTenantRecords) -> MemoryTenantRecords:
    await records.put_tenant(TENANT, {}, now=START)
    await SealedTenantStore(records, Sealer("the right secret")).add_destination(a_destination(ONE), limit=10)
    return records


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_store_that_is_away_at_the_start_is_asked_before_anything_is_sealed(
    monkeypatch: pytest.MonkeyPatch, *, hangs: bool
) -> None:
    monkeypatch.setattr("outpost.wiring.parts._KEY_TRIAL_SECONDS", 0)
    records = Records(hangs=hangs)
    records.away = False
    await _stored(records)
    records.away = True
    tenants = await open_tenants(load_settings(environ={"AES_ENCRYPTION_SECRET": "mistyped"}), records)
    records.away = False

    await tenants.add_destination(a_destination(TWO), limit=10)

    with pytest.raises(CannotUnseal):
        await tenants.destinations(TENANT)


async def test_where_credentials_may_be_lost_the_server_says_so_and_takes_its_key_as_right(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = load_settings(environ={"AES_ENCRYPTION_SECRET": "a new secret", "ALLOW_LOST_CREDENTIALS": "true"})

    tenants = await open_tenants(settings, await _stored(MemoryTenantRecords()))

    assert "ALLOW_LOST_CREDENTIALS is on" in caplog.text
    assert [each.secrets_lost for each in await tenants.destinations(TENANT)] == [True]
