"""What management promises beside the answers of the API: no change is lost, what waits is dropped."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from outpost.crypto import Sealer
from outpost.domain.delivery import DropReason
from outpost.domain.destination import Destination
from outpost.domain.errors import NotFound, StoreUnavailable, UnknownDestinationType, ValidationFailed
from outpost.domain.identifiers import DestinationId, TenantId
from outpost.management.destination_requests import DestinationPatch, NewDestination
from outpost.management.destinations import Destinations
from outpost.management.tenants import Tenants
from outpost.ports.provider import DestinationChange, Provider
from outpost.ports.tenant_store import DestinationRecord
from outpost.stores.tenant.memory import MemoryTenantRecords
from outpost.stores.tenant.sealed import SealedTenantStore
from tests.support.builders import START, TENANT
from tests.support.clock import SetClock
from tests.support.vault import VaultProvider

D1 = DestinationId("d1")
NEW = NewDestination(id=D1, type="vault", topics=("*",), config={"region": "eu"}, credentials={"key": "secret-key"})


class SlowProvider(VaultProvider):
    """Lets a test act while a change is prepared, as if a remote service were asked."""

    def __init__(self) -> None:
        self.meanwhile: list[Callable[[Destination], Destination]] = []
        self.world: World | None = None

    async def prepare(self, change: DestinationChange) -> Destination:
        if self.meanwhile and self.world is not None:
            await self.world.store.change_destination(TENANT, D1, self.meanwhile.pop(0))
        return await super().prepare(change)


class World:
    """Tenant acme, and what waits for delivery as a list of what was dropped."""

    def __init__(self) -> None:
        self.clock = SetClock(START)
        self.records = MemoryTenantRecords()
        self.store = SealedTenantStore(self.records, Sealer("test-aes-secret"))
        self.the_provider = SlowProvider()
        self.the_provider.world = self
        self.dropped: list[tuple[Sequence[DestinationId], DropReason]] = []
        self.ledger_is_down = False
        self.tenants = Tenants(store=self.store, waiting=self, clock=self.clock)
        self.destinations = Destinations(
            store=self.store,
            providers=self,
            waiting=self,
            clock=self.clock,
            mint_id=lambda: "minted",
            topics=(),
            wildcards=False,
            limit=3,
        )

    def provider(self, type_: str, /) -> Provider:
        if type_ != "vault":
            raise UnknownDestinationType(type_)
        return self.the_provider

    def schemas(self) -> Sequence[Mapping[str, Any]]:
        return []

    async def drop_waiting(
        self, tenant_id: TenantId, destination_ids: Sequence[DestinationId], reason: DropReason
    ) -> int:
        if self.ledger_is_down:
            raise StoreUnavailable("ledger", "disk full")
        self.dropped.append((list(destination_ids), reason))
        return 1

    async def change(self, **fields: Any) -> Destination:
        return await self.destinations.change(TENANT, D1, DestinationPatch(**fields), role="admin")


@pytest.fixture
async def world() -> World:
    world = World()
    await world.tenants.put(TENANT, {})
    await world.destinations.create(TENANT, NEW, role="admin")
    return world


async def test_a_change_worked_out_beside_the_store_is_made_again_if_another_came_first(world: World) -> None:
    world.the_provider.meanwhile = [
        lambda stored: msgspec.structs.replace(stored, metadata={"a": "1"}),
        lambda stored: msgspec.structs.replace(stored, metadata={"a": "2"}),
    ]

    changed = await world.change(metadata={"b": "3"})

    assert changed.metadata == {"a": "2", "b": "3"}
    assert await world.store.destination(TENANT, D1) == changed


async def test_a_change_that_never_gets_its_turn_is_given_up(world: World) -> None:
    def other(number: int) -> Callable[[Destination], Destination]:
        return lambda stored: msgspec.structs.replace(stored, metadata={"n": str(number)})

    world.the_provider.meanwhile = [other(number) for number in range(100)]

    with pytest.raises(StoreUnavailable):
        await world.change(metadata={"b": "3"})


async def test_a_destination_deleted_during_a_change_is_not_found(world: World) -> None:
    async def vanish(change: DestinationChange) -> Destination:
        await world.store.delete_destination(TENANT, D1, now=START)
        return change.wanted

    world.the_provider.prepare = vanish  # type: ignore[method-assign]

    with pytest.raises(NotFound, match="destination not found"):
        await world.change(topics=("a",))


async def test_what_waits_is_dropped_once_by_each_way_to_stop_sending(world: World) -> None:
    await world.change(disabled_at=START)
    await world.change(disabled_at=START)
    await world.destinations.enable(TENANT, D1)
    await world.destinations.disable(TENANT, D1)
    await world.destinations.delete(TENANT, D1)

    assert world.dropped == [
        ([D1], DropReason.DESTINATION_DISABLED),
        ([D1], DropReason.DESTINATION_DISABLED),
        ([D1], DropReason.DESTINATION_DELETED),
    ]


async def test_a_deleted_tenant_drops_what_waits_for_all_its_destinations(world: World) -> None:
    await world.destinations.create(TENANT, msgspec.structs.replace(NEW, id=None), role="admin")

    await world.tenants.delete(TENANT)

    assert [(sorted(ids), reason) for ids, reason in world.dropped] == [(["d1", "minted"], DropReason.TENANT_DELETED)]


async def test_a_ledger_that_cannot_be_written_does_not_undo_a_change(world: World) -> None:
    world.ledger_is_down = True

    disabled = await world.destinations.disable(TENANT, D1)
    await world.tenants.delete(TENANT)

    assert disabled.disabled_at is not None
    assert await world.tenants.find(TENANT) is None


async def test_a_destination_needs_its_tenant(world: World) -> None:
    with pytest.raises(NotFound, match="tenant not found"):
        await world.destinations.create(TenantId("nobody"), NEW, role="admin")


async def test_a_request_shows_no_secret_when_it_is_printed() -> None:
    assert "secret-key" not in repr(NEW)
    assert "secret-key" not in repr(DestinationPatch(credentials={"key": "secret-key"}))


async def test_a_tenant_that_already_has_a_strange_id_can_be_changed(world: World) -> None:
    """Fault 17: what an older release accepted stays usable."""
    strange = TenantId("a/b")
    await world.store.put_tenant(strange, {}, now=START)

    overview, is_new = await world.tenants.put(strange, {"a": "1"})

    assert (overview.tenant.metadata, is_new) == ({"a": "1"}, False)


# --- secrets that cannot be decrypted


@pytest.fixture
async def damaged(world: World) -> None:
    """One destination of two holds a secret that the key does not open."""
    other = msgspec.structs.replace(NEW, id=DestinationId("d2"))
    await world.destinations.create(TENANT, other, role="admin")

    def break_(record: DestinationRecord) -> DestinationRecord:
        return msgspec.structs.replace(record, credentials=b"\x00" * 64)

    await world.records.change_record(TENANT, D1, break_)
    assert (await world.destinations.get(TENANT, D1)).secrets_lost


@pytest.mark.usefixtures("damaged")
async def test_all_but_what_needs_the_lost_secrets_can_be_done(world: World) -> None:
    assert not (await world.destinations.disable(TENANT, D1)).enabled
    assert (await world.destinations.enable(TENANT, D1)).enabled
    changed = await world.change(topics=("t",), metadata={"team": "a"})

    assert (changed.topics, changed.metadata) == (("t",), {"team": "a"})
    assert (changed.secrets_lost, changed.credentials) == (True, {})
    with pytest.raises(ValidationFailed, match=r"credentials\.key is required"):
        await world.change(config={"region": "us"})
    with pytest.raises(ValidationFailed, match="credentials is required"):
        await world.change(delivery_metadata={"a": "b"})
    await world.destinations.delete(TENANT, D1)


@pytest.mark.usefixtures("damaged")
async def test_new_credentials_mend_it(world: World) -> None:
    await world.change(credentials={"key": "another-key"}, delivery_metadata={"a": "b"})

    mended = await world.destinations.get(TENANT, D1)
    assert not mended.secrets_lost
    assert (mended.credentials, mended.delivery_metadata) == ({"key": "another-key"}, {"a": "b"})
