"""Secrets are sealed below and clear above, and each is opened once."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from outpost.crypto import Sealer
from outpost.domain.destination import Destination
from outpost.domain.errors import CannotUnseal
from outpost.domain.identifiers import DestinationId, TenantId
from outpost.ports.tenant_store import DestinationRecord
from outpost.stores.tenant.memory import MemoryTenantRecords
from outpost.stores.tenant.sealed import SealedTenantStore
from tests.support.builders import ONE, START, TENANT, TWO, a_destination

_SECRETS = (b"whsec_0123456789abcdef", b"prod")


class CountingSealer(Sealer):
    """Counts how often a seal is opened."""

    def __init__(self, secret: str) -> None:
        super().__init__(secret)
        self.opened = 0

    def open(self, sealed: bytes) -> bytes:
        self.opened += 1
        return super().open(sealed)


@pytest.fixture
async def records() -> MemoryTenantRecords:
    records = MemoryTenantRecords()
    await records.put_tenant(TENANT, {}, now=START)
    return records


@pytest.fixture
def sealer() -> CountingSealer:
    return CountingSealer("a secret")


@pytest.fixture
def store(records: MemoryTenantRecords, sealer: Sealer) -> SealedTenantStore:
    return SealedTenantStore(records, sealer)


async def _break(records: MemoryTenantRecords, destination_id: DestinationId) -> None:
    def damaged(record: DestinationRecord) -> DestinationRecord:
        return msgspec.structs.replace(record, credentials=b"\x00" * 64)

    await records.change_record(TENANT, destination_id, damaged)


async def test_a_destination_comes_back_with_its_secrets(store: SealedTenantStore) -> None:
    destination = a_destination()
    await store.add_destination(destination, limit=10)

    assert await store.destination(TENANT, ONE) == destination
    assert await store.destinations(TENANT) == (destination,)


@pytest.mark.parametrize(
    "changes", [{"credentials": {}}, {"delivery_metadata": {}}, {"credentials": {"ключ": "é\0\n"}}]
)
async def test_secrets_of_any_kind_come_back(store: SealedTenantStore, changes: dict[str, Any]) -> None:
    destination = a_destination(**changes)
    await store.add_destination(destination, limit=10)

    assert await store.destination(TENANT, ONE) == destination


async def test_a_driver_sees_no_secret(store: SealedTenantStore, records: MemoryTenantRecords) -> None:
    await store.add_destination(a_destination(), limit=10)
    await store.change_destination(TENANT, ONE, lambda each: each)

    (record,) = await records.records(TENANT)
    assert record.delivery_metadata is not None
    for sealed in (record.credentials, record.delivery_metadata):
        assert not any(secret in sealed for secret in _SECRETS)


async def test_nothing_is_sealed_where_there_is_no_delivery_metadata(
    store: SealedTenantStore, records: MemoryTenantRecords
) -> None:
    await store.add_destination(a_destination(delivery_metadata={}), limit=10)

    (record,) = await records.records(TENANT)
    assert record.delivery_metadata is None


async def test_a_secret_is_opened_once_and_the_same_object_returned(
    store: SealedTenantStore, sealer: CountingSealer
) -> None:
    await store.add_destination(a_destination(), limit=10)
    (first,) = await store.destinations(TENANT)
    opened = sealer.opened

    for _ in range(5):
        (again,) = await store.destinations(TENANT)
        assert again is first
        assert await store.destination(TENANT, ONE) is first
    assert sealer.opened == opened


async def test_a_change_of_one_destination_leaves_the_others_as_they_were(store: SealedTenantStore) -> None:
    for destination_id in (ONE, TWO):
        await store.add_destination(a_destination(destination_id), limit=10)
    one, two = await store.destinations(TENANT)

    def renamed(destination: Destination) -> Destination:
        return msgspec.structs.replace(destination, credentials={"secret": "new"})

    changed = await store.change_destination(TENANT, TWO, renamed)
    one_after, two_after = await store.destinations(TENANT)

    assert one_after is one
    assert two_after is not two
    assert two_after == changed
    assert two_after.credentials == {"secret": "new"}


async def test_a_deleted_destination_is_not_remembered(store: SealedTenantStore) -> None:
    await store.add_destination(a_destination(), limit=10)
    await store.destinations(TENANT)
    await store.delete_destination(TENANT, ONE, now=START)

    assert await store.destinations(TENANT) == ()
    assert await store.destination(TENANT, ONE) is None


async def test_another_key_opens_nothing_and_the_error_tells_no_secret(
    store: SealedTenantStore, records: MemoryTenantRecords
) -> None:
    await store.add_destination(a_destination(), limit=10)
    stranger = SealedTenantStore(records, Sealer("another secret"))

    with pytest.raises(CannotUnseal, match="destination des_1 of tenant acme") as caught:
        await stranger.destinations(TENANT)
    with pytest.raises(CannotUnseal):
        await stranger.destination(TENANT, ONE)
    with pytest.raises(CannotUnseal):
        await stranger.change_destination(TENANT, ONE, lambda each: each)
    assert "whsec" not in str(caught.value) + repr(caught.value)


async def test_what_alone_is_stored_and_damaged_can_be_deleted_and_made_anew(
    records: MemoryTenantRecords, sealer: Sealer
) -> None:
    """As the error says to do where nothing has shown yet that the key is right."""
    await SealedTenantStore(records, sealer).add_destination(a_destination(), limit=10)
    await _break(records, ONE)
    store = SealedTenantStore(records, sealer)
    with pytest.raises(CannotUnseal, match="delete the destination and create it anew"):
        await store.destinations(TENANT)

    await store.delete_destination(TENANT, ONE, now=START)
    await store.add_destination(a_destination(), limit=10)

    assert await store.destination(TENANT, ONE) == a_destination()


async def test_a_damaged_secret_spoils_its_own_destination_only(
    store: SealedTenantStore, records: MemoryTenantRecords, caplog: pytest.LogCaptureFixture
) -> None:
    for destination_id in (ONE, TWO):
        await store.add_destination(a_destination(destination_id), limit=10)
    await _break(records, ONE)

    damaged, whole = await store.destinations(TENANT)
    again = await store.destination(TENANT, ONE)

    assert whole == a_destination(TWO)
    assert damaged == a_destination(ONE, credentials={}, secrets_lost=True)
    assert again is damaged
    assert len(caplog.records) == 1
    assert "des_1 of tenant acme" in caplog.text
    assert await store.delete_destination(TENANT, ONE, now=START)


async def test_a_damaged_destination_can_be_changed_and_its_secrets_stay_as_they_are(
    records: MemoryTenantRecords, sealer: Sealer
) -> None:
    """Also where nothing has shown yet that the key is right."""
    before = SealedTenantStore(records, sealer)
    for destination_id in (ONE, TWO):
        await before.add_destination(a_destination(destination_id), limit=10)
    await _break(records, ONE)
    (stored, _) = await records.records(TENANT)
    store = SealedTenantStore(records, sealer)

    changed = await store.change_destination(
        TENANT, ONE, lambda each: msgspec.structs.replace(each, metadata={"team": "a"})
    )

    assert changed is not None
    assert (changed.secrets_lost, changed.metadata, changed.credentials) == (True, {"team": "a"}, {})
    (after, _) = await records.records(TENANT)
    assert after == msgspec.structs.replace(stored, metadata={"team": "a"})


async def test_new_secrets_mend_a_damaged_destination_and_leave_what_is_whole(
    store: SealedTenantStore, records: MemoryTenantRecords
) -> None:
    for destination_id in (ONE, TWO):
        await store.add_destination(a_destination(destination_id), limit=10)
    await _break(records, ONE)
    await store.destinations(TENANT)

    def mended(damaged: Destination) -> Destination:
        return msgspec.structs.replace(damaged, credentials={"secret": "new"}, secrets_lost=False)

    await store.change_destination(TENANT, ONE, mended)

    assert a_destination().delivery_metadata
    assert await store.destination(TENANT, ONE) == a_destination(ONE, credentials={"secret": "new"})


async def test_the_key_is_known_by_what_it_opens_of_other_tenants(records: MemoryTenantRecords, sealer: Sealer) -> None:
    store = SealedTenantStore(records, sealer)
    other = TenantId("umbrella")
    await records.put_tenant(other, {}, now=START)
    await store.add_destination(a_destination(), limit=10)
    await store.add_destination(a_destination(tenant_id=other), limit=10)
    await _break(records, ONE)

    (damaged,) = await store.destinations(TENANT)

    assert damaged.secrets_lost


async def test_what_a_wrong_key_sealed_itself_does_not_make_it_the_right_one(
    store: SealedTenantStore, records: MemoryTenantRecords
) -> None:
    await store.add_destination(a_destination(ONE), limit=10)
    stranger = SealedTenantStore(records, Sealer("another secret"))
    other = TenantId("umbrella")
    await records.put_tenant(other, {}, now=START)
    for number in range(3):
        await stranger.add_destination(a_destination(DestinationId(f"new_{number}"), tenant_id=other), limit=10)
    assert len(await stranger.destinations(other)) == 3

    with pytest.raises(CannotUnseal):
        await stranger.destinations(TENANT)
    with pytest.raises(CannotUnseal):
        await stranger.change_destination(TENANT, ONE, lambda each: each)
    assert await store.destinations(TENANT) == (a_destination(ONE),)


async def test_nor_does_the_little_that_an_earlier_process_sealed_with_it(
    store: SealedTenantStore, records: MemoryTenantRecords
) -> None:
    """It is most of what is stored that tells, when a process with a wrong key is started again."""
    for number in range(5):
        await store.add_destination(a_destination(DestinationId(f"old_{number}")), limit=10)
    await SealedTenantStore(records, Sealer("another secret")).add_destination(a_destination(ONE), limit=10)
    stranger = SealedTenantStore(records, Sealer("another secret"))
    await stranger.try_key()

    assert await stranger.change_destination(TENANT, ONE, lambda each: each) == a_destination(ONE)
    with pytest.raises(CannotUnseal):
        await stranger.destinations(TENANT)


async def test_a_wrong_key_that_came_first_to_an_empty_store_is_found_out_by_what_the_others_seal(
    store: SealedTenantStore, records: MemoryTenantRecords
) -> None:
    stranger = SealedTenantStore(records, Sealer("another secret"))
    await stranger.try_key()
    other = TenantId("umbrella")
    await records.put_tenant(other, {}, now=START)
    await stranger.add_destination(a_destination(tenant_id=other), limit=10)
    for number in range(3):
        await store.add_destination(a_destination(DestinationId(f"right_{number}")), limit=10)

    with pytest.raises(CannotUnseal):
        await stranger.destinations(TENANT)


async def test_the_log_says_once_which_setting_is_wrong(
    store: SealedTenantStore, records: MemoryTenantRecords, caplog: pytest.LogCaptureFixture
) -> None:
    for destination_id in (ONE, TWO):
        await store.add_destination(a_destination(destination_id), limit=10)
    await store.try_key()
    assert not caplog.records
    stranger = SealedTenantStore(records, Sealer("another secret"))

    await stranger.try_key()
    for _ in range(3):
        await stranger.try_key()
        with pytest.raises(CannotUnseal):
            await stranger.destinations(TENANT)

    (line,) = caplog.records
    assert line.levelname == "ERROR"
    assert "AES_ENCRYPTION_SECRET opens 0 of 2 stored credentials" in line.getMessage()
    assert "ALLOW_LOST_CREDENTIALS" in line.getMessage()


async def test_where_the_operator_says_that_the_old_key_is_lost_all_can_be_mended(
    store: SealedTenantStore, records: MemoryTenantRecords
) -> None:
    for destination_id in (ONE, TWO):
        await store.add_destination(a_destination(destination_id), limit=10)
    anew = SealedTenantStore(records, Sealer("a new secret"), allow_lost=True)

    def mended(lost: Destination) -> Destination:
        return msgspec.structs.replace(lost, credentials={"secret": "new"}, secrets_lost=False)

    assert [each.secrets_lost for each in await anew.destinations(TENANT)] == [True, True]
    await anew.change_destination(TENANT, ONE, mended)
    one, two = await anew.destinations(TENANT)

    assert (one.secrets_lost, one.credentials) == (False, {"secret": "new"})
    assert two.secrets_lost


async def test_where_no_sample_is_found_the_tenants_others_tell(sealer: Sealer) -> None:
    """As where a few destinations lie among millions of other keys."""

    class Sparse(MemoryTenantRecords):
        async def sealed_sample(self, most: int) -> Sequence[bytes]:
            return ()

    records = Sparse()
    await records.put_tenant(TENANT, {}, now=START)
    store = SealedTenantStore(records, sealer)
    for destination_id in (ONE, TWO):
        await store.add_destination(a_destination(destination_id), limit=10)
    await _break(records, ONE)

    with pytest.raises(CannotUnseal):
        await SealedTenantStore(records, Sealer("another secret")).destinations(TENANT)
    assert (await store.destinations(TENANT))[0].secrets_lost


async def test_what_opens_and_is_no_map_of_texts_is_damaged(
    store: SealedTenantStore, records: MemoryTenantRecords, sealer: Sealer
) -> None:
    await store.add_destination(a_destination(), limit=10)

    def odd(record: DestinationRecord) -> DestinationRecord:
        return msgspec.structs.replace(record, credentials=sealer.seal(b"[1, 2]"))

    await records.change_record(TENANT, ONE, odd)
    (damaged,) = await store.destinations(TENANT)

    assert damaged.secrets_lost
    assert damaged.credentials == {}


async def test_of_more_tenants_than_its_limit_it_forgets_the_one_used_longest_ago(
    records: MemoryTenantRecords, sealer: CountingSealer
) -> None:
    store = SealedTenantStore(records, sealer, tenants_in_memory=2)
    tenants = [TenantId(name) for name in ("acme", "umbrella", "initech")]
    for tenant in tenants:
        await records.put_tenant(tenant, {}, now=START)
        await store.add_destination(a_destination(tenant_id=tenant, delivery_metadata={}), limit=10)
    await store.destinations(tenants[0])
    await store.destinations(tenants[1])
    await store.destination(tenants[0], ONE)
    await store.destinations(tenants[2])
    opened = sealer.opened

    await store.destinations(tenants[0])
    assert sealer.opened == opened
    await store.destinations(tenants[1])
    assert sealer.opened == opened + 1
