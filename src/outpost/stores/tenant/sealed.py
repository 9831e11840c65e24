"""The tenant store: any driver's records, with the secrets sealed on the way in and opened on the way out."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from outpost.codec import read_string_map, write_string_map
from outpost.crypto import SealBroken, Sealer
from outpost.domain.destination import Destination
from outpost.domain.errors import CannotUnseal
from outpost.domain.identifiers import DestinationId, TenantId
from outpost.domain.tenant import StringMap, Tenant, TenantOverview
from outpost.ports.tenant_store import DestinationRecord, TenantPage, TenantQuery, TenantRecords
from outpost.stores.tenant.key_trial import KeyTrial

_logger = logging.getLogger(__name__)

_Records = tuple[DestinationRecord, ...]


class _Opened(NamedTuple):
    """A tenant's records, and what they hold."""

    records: _Records
    destinations: tuple[Destination, ...]


class SealedTenantStore:
    """`TenantStore` over `TenantRecords`.

    Each secret is opened once: while a record stays as it is, the same `Destination` object is returned, so that
    others may remember what they derive from it by its identity.

    A secret that a right key does not open is damaged. Until the key is known to be right (see key_trial.py) it is
    doubted: a wrong one must not make deliveries fail that the right one could have sent.

    Args:
        allow_lost: What does not open is damaged, whatever the key opens.
        tenants_in_memory: Of how many tenants the opened destinations are kept, the last used ones.
    """

    def __init__(
        self, records: TenantRecords, sealer: Sealer, *, allow_lost: bool = False, tenants_in_memory: int = 50_000
    ) -> None:
        self._records = records
        self._sealer = sealer
        self._key = KeyTrial(records, sealer, trusted=allow_lost)
        self._limit = tenants_in_memory
        self._opened: OrderedDict[TenantId, _Opened] = OrderedDict()

    async def try_key(self) -> None:
        """Find out early whether the key is right; a line in the log says if it is not.

        Raises:
            StoreUnavailable: It could not be tried now; it is before anything is sealed.
        """
        await self._key.before_sealing()

    async def put_tenant(self, tenant_id: TenantId, metadata: StringMap, *, now: datetime) -> tuple[Tenant, bool]:
        return await self._records.put_tenant(tenant_id, metadata, now=now)

    async def tenant(self, tenant_id: TenantId) -> TenantOverview | None:
        return await self._records.tenant(tenant_id)

    async def delete_tenant(self, tenant_id: TenantId, *, now: datetime) -> Sequence[DestinationId] | None:
        return await self._records.delete_tenant(tenant_id, now=now)

    async def tenants(self, query: TenantQuery) -> TenantPage:
        return await self._records.tenants(query)

    async def add_destination(self, destination: Destination, *, limit: int) -> None:
        await self._key.before_sealing()
        await self._records.add_record(self._seal(destination), limit=limit)

    async def destination(self, tenant_id: TenantId, destination_id: DestinationId) -> Destination | None:
        destinations = await self.destinations(tenant_id)
        return next((each for each in destinations if each.id == destination_id), None)

    async def destinations(self, tenant_id: TenantId) -> Sequence[Destination]:
        records = await self._records.records(tenant_id)
        opened = self._already_open(tenant_id, records)
        if opened is not None:
            return opened
        try:
            return self._open_all(tenant_id, records)
        except CannotUnseal:
            if not await self._key.judged(records):
                raise
        return self._open_all(tenant_id, records)

    async def change_destination(
        self, tenant_id: TenantId, destination_id: DestinationId, change: Callable[[Destination], Destination]
    ) -> Destination | None:
        def change_record(record: DestinationRecord) -> DestinationRecord:
            changed = change(self._read(record))
            sealed = self._seal(changed)
            if not changed.secrets_lost:
                return sealed
            return msgspec.structs.replace(
                sealed, credentials=record.credentials, delivery_metadata=record.delivery_metadata
            )

        await self._key.before_sealing()
        try:
            changed = await self._records.change_record(tenant_id, destination_id, change_record)
        except CannotUnseal:
            if not await self._key.judged(await self._records.records(tenant_id)):
                raise
            changed = await self._records.change_record(tenant_id, destination_id, change_record)
        return None if changed is None else self._read(changed)

    async def delete_destination(self, tenant_id: TenantId, destination_id: DestinationId, *, now: datetime) -> bool:
        return await self._records.delete_record(tenant_id, destination_id, now=now)

    def _already_open(self, tenant_id: TenantId, records: _Records) -> tuple[Destination, ...] | None:
        opened = self._opened.get(tenant_id)
        if opened is None or opened.records is not records:
            return None
        self._opened.move_to_end(tenant_id)
        return opened.destinations

    def _open_all(self, tenant_id: TenantId, records: _Records) -> tuple[Destination, ...]:
        before = self._opened.get(tenant_id)
        known = {} if before is None else {pair[0].id: pair for pair in zip(*before, strict=True)}
        destinations: list[Destination] = []
        for record in records:
            pair = known.get(record.id)
            destinations.append(pair[1] if pair is not None and pair[0] == record else self._read(record))
        opened = _Opened(records, tuple(destinations))
        self._opened[tenant_id] = opened
        self._opened.move_to_end(tenant_id)
        if len(self._opened) > self._limit:
            self._opened.popitem(last=False)
        return opened.destinations

    def _read(self, record: DestinationRecord) -> Destination:
        """Return a destination, without what is damaged of its secrets."""
        try:
            return self._open(record)
        except CannotUnseal:
            if not self._key.is_right:
                raise
            _logger.error(
                "the secrets of destination %s of tenant %s cannot be decrypted and count as lost; "
                "its deliveries fail until it is given new credentials",
                record.id,
                record.tenant_id,
            )
            return _destination(
                record,
                credentials=self._unsealed_or_empty(record.credentials),
                delivery_metadata=self._unsealed_or_empty(record.delivery_metadata),
                secrets_lost=True,
            )

    def _open(self, record: DestinationRecord) -> Destination:
        try:
            return _destination(
                record,
                credentials=self._unsealed(record.credentials),
                delivery_metadata=self._unsealed(record.delivery_metadata),
            )
        except (SealBroken, ValueError):
            raise CannotUnseal(f"the secrets of destination {record.id} of tenant {record.tenant_id}") from None

    def _unsealed_or_empty(self, value: bytes | None) -> StringMap:
        """Of two secrets one may be damaged and the other whole; new credentials must not cost the metadata."""
        try:
            return self._unsealed(value)
        except (SealBroken, ValueError):
            return {}

    def _unsealed(self, value: bytes | None) -> StringMap:
        if value is None:
            return {}
        return read_string_map(self._sealer.open(value))

    def _seal(self, destination: Destination) -> DestinationRecord:
        return DestinationRecord(
            id=destination.id,
            tenant_id=destination.tenant_id,
            type=destination.type,
            topics=destination.topics,
            filter=destination.filter,
            config=destination.config,
            credentials=self._seal_map(destination.credentials),
            delivery_metadata=self._seal_map(destination.delivery_metadata) if destination.delivery_metadata else None,
            metadata=destination.metadata,
            created_at=destination.created_at,
            updated_at=destination.updated_at,
            disabled_at=destination.disabled_at,
        )

    def _seal_map(self, secrets: StringMap) -> bytes:
        return self._sealer.seal(write_string_map(secrets).encode())


def _destination(
    record: DestinationRecord, *, credentials: StringMap, delivery_metadata: StringMap, secrets_lost: bool = False
) -> Destination:
    return Destination(
        id=record.id,
        tenant_id=record.tenant_id,
        type=record.type,
        topics=record.topics,
        filter=record.filter,
        config=record.config,
        credentials=credentials,
        delivery_metadata=delivery_metadata,
        metadata=record.metadata,
        created_at=record.created_at,
        updated_at=record.updated_at,
        disabled_at=record.disabled_at,
        secrets_lost=secrets_lost,
    )
