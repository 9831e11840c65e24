"""Destinations: create, list, change, enable, disable and delete."""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from outpost.codec import cut_to_milliseconds
from outpost.domain.delivery import DropReason
from outpost.domain.destination import Destination, JsonObject
from outpost.domain.errors import InTheFuture, NotFound, StoreUnavailable, TypeIsFixed, ValidationFailed
from outpost.domain.event_filter import check_filter
from outpost.domain.identifiers import DestinationId, MintId, TenantId
from outpost.domain.topic import normalise_topics, selected_by, validate_topics
from outpost.management.audit import audit
from outpost.management.destination_requests import (
    DestinationPatch,
    NewDestination,
    StringPatch,
    merged,
    without_masks,
)
from outpost.management.naming import check_id
from outpost.management.providers import Providers
from outpost.management.waiting import WaitingTasks, drop_waiting
from outpost.ports.clock import Clock
from outpost.ports.provider import DestinationChange, Provider, Role
from outpost.ports.tenant_store import TenantStore

_ROUNDS = 50


class _Stale(Exception):
    """The destination was changed by someone else since it was read."""


class Destinations:
    """What can be done with destinations. Every method raises StoreUnavailable when the store cannot be used."""

    def __init__(
        self,
        *,
        store: TenantStore,
        providers: Providers,
        waiting: WaitingTasks,
        clock: Clock,
        mint_id: MintId,
        topics: Sequence[str],
        wildcards: bool,
        limit: int,
    ) -> None:
        """Args:
        topics: The topics that exist; empty allows any.
        wildcards: Whether a destination may name patterns such as `user.*`.
        limit: Destinations one tenant may have, disabled ones included.
        """
        self._store = store
        self._providers = providers
        self._waiting = waiting
        self._clock = clock
        self._mint_id = mint_id
        self._topics = tuple(topics)
        self._wildcards = wildcards
        self._limit = limit

    async def create(self, tenant_id: TenantId, new: NewDestination, *, role: Role) -> Destination:
        """Store a new destination and return it.

        Raises:
            InvalidInput: A field breaks a rule.
            NotFound: The tenant does not exist.
            DestinationExists: The id is taken.
            DestinationLimitReached: The tenant has as many as it may have.
        """
        now = self._now()
        _refuse_future(now, created_at=new.created_at, updated_at=new.updated_at, disabled_at=new.disabled_at)
        topics = self._checked_topics(new.topics)
        provider = self._providers.provider(new.type)
        if new.id is not None:
            check_id("id", new.id)
        wanted = _built(tenant_id, new, id_=new.id or DestinationId(self._mint_id()), topics=topics, now=now)
        _check_filter(wanted.filter)
        provider.validate(wanted)
        destination = await provider.prepare(
            DestinationChange(wanted=wanted, stored=None, role=role, sent_credentials=new.credentials, now=now)
        )
        await self._store.add_destination(destination, limit=self._limit)
        audit("destination created", tenant_id=tenant_id, destination_id=destination.id, type=destination.type)
        return destination

    async def list(
        self, tenant_id: TenantId, *, types: Sequence[str] | None = None, topics: Sequence[str] | None = None
    ) -> Sequence[Destination]:
        """Return a tenant's destinations in order of creation: those of any of the types, wanting all of the topics."""
        return [
            destination
            for destination in await self._store.destinations(tenant_id)
            if (types is None or destination.type in types)
            and (topics is None or selected_by(destination.topics, topics))
        ]

    async def get(self, tenant_id: TenantId, destination_id: DestinationId) -> Destination:
        """Raises NotFound."""
        return _found(await self._store.destination(tenant_id, destination_id))

    async def change(
        self, tenant_id: TenantId, destination_id: DestinationId, patch: DestinationPatch, *, role: Role
    ) -> Destination:
        """Apply `patch` and return the changed destination.

        A provider may ask a remote service while it prepares a change, so the change is worked out beside the store,
        and anew if the destination has meanwhile become another.

        Raises:
            InvalidInput: A field breaks a rule.
            NotFound: There is no such destination.
        """
        for _ in range(_ROUNDS):
            stored = await self.get(tenant_id, destination_id)
            wanted = await self._changed(stored, patch, role)
            try:
                changed = _found(await self._store.change_destination(tenant_id, destination_id, _swap(stored, wanted)))
            except _Stale:
                continue
            audit("destination updated", tenant_id=tenant_id, destination_id=destination_id)
            if stored.enabled and not changed.enabled:
                await self._drop_waiting(changed, DropReason.DESTINATION_DISABLED)
            return changed
        raise StoreUnavailable("tenant store", "the destination is being changed by others all the time")

    async def enable(self, tenant_id: TenantId, destination_id: DestinationId) -> Destination:
        """Let a destination take deliveries; nothing changes if it does already. Raises NotFound."""

        def enabled(destination: Destination) -> Destination:
            if destination.enabled:
                return destination
            return msgspec.structs.replace(destination, disabled_at=None, updated_at=now)

        now = self._now()
        destination = _found(await self._store.change_destination(tenant_id, destination_id, enabled))
        audit("destination enabled", tenant_id=tenant_id, destination_id=destination_id)
        return destination

    async def disable(self, tenant_id: TenantId, destination_id: DestinationId) -> Destination:
        """Stop deliveries to a destination and drop what waits for it; an earlier date stays. Raises NotFound."""

        def disabled(destination: Destination) -> Destination:
            if not destination.enabled:
                return destination
            return msgspec.structs.replace(destination, disabled_at=now, updated_at=now)

        now = self._now()
        destination = _found(await self._store.change_destination(tenant_id, destination_id, disabled))
        await self._drop_waiting(destination, DropReason.DESTINATION_DISABLED)
        audit("destination disabled", tenant_id=tenant_id, destination_id=destination_id)
        return destination

    async def delete(self, tenant_id: TenantId, destination_id: DestinationId) -> None:
        """Delete a destination and drop what waits for it. Raises NotFound."""
        if not await self._store.delete_destination(tenant_id, destination_id, now=self._now()):
            raise NotFound("destination")
        await drop_waiting(self._waiting, tenant_id, [destination_id], DropReason.DESTINATION_DELETED)
        audit("destination deleted", tenant_id=tenant_id, destination_id=destination_id)

    async def _changed(self, stored: Destination, patch: DestinationPatch, role: Role) -> Destination:
        now = self._now()
        topics = stored.topics if patch.topics is UNSET else self._checked_topics(patch.topics)
        if patch.type is not UNSET and patch.type != stored.type:
            raise TypeIsFixed
        provider = self._providers.provider(stored.type)
        patch = _without_masked_credentials(patch, stored, provider, now)
        wanted = _patched(stored, patch, topics=topics, now=now)
        if wanted.secrets_lost and _asks(patch.delivery_metadata):
            raise ValidationFailed("credentials is required: what is stored of the secrets cannot be decrypted")
        if patch.filter is not UNSET:
            _check_filter(wanted.filter)
        if patch.disabled_at is not UNSET:
            _refuse_future(now, disabled_at=patch.disabled_at)
        if not wanted.secrets_lost:
            change = DestinationChange(
                wanted=wanted, stored=stored, role=role, sent_credentials=_sent(patch.credentials), now=now
            )
            wanted = await provider.prepare(change)
        if _asks(patch.config) or _asks(patch.credentials):
            provider.validate(wanted)
        return wanted

    def _checked_topics(self, topics: Sequence[str]) -> tuple[str, ...]:
        validate_topics(topics, allowed=self._topics, wildcards=self._wildcards)
        return normalise_topics(topics)

    async def _drop_waiting(self, destination: Destination, reason: DropReason) -> None:
        await drop_waiting(self._waiting, destination.tenant_id, [destination.id], reason)

    def _now(self) -> datetime:
        return cut_to_milliseconds(self._clock())


def _built(
    tenant_id: TenantId, new: NewDestination, *, id_: DestinationId, topics: tuple[str, ...], now: datetime
) -> Destination:
    created_at = now if new.created_at is None else cut_to_milliseconds(new.created_at)
    return Destination(
        id=id_,
        tenant_id=tenant_id,
        type=new.type,
        topics=topics,
        filter=new.filter or None,
        config=new.config,
        credentials=new.credentials,
        delivery_metadata=new.delivery_metadata,
        metadata=new.metadata,
        created_at=created_at,
        updated_at=created_at if new.updated_at is None else cut_to_milliseconds(new.updated_at),
        disabled_at=None if new.disabled_at is None else cut_to_milliseconds(new.disabled_at),
    )


def _patched(stored: Destination, patch: DestinationPatch, *, topics: tuple[str, ...], now: datetime) -> Destination:
    disabled_at = stored.disabled_at if patch.disabled_at is UNSET else patch.disabled_at
    return msgspec.structs.replace(
        stored,
        topics=topics,
        filter=stored.filter if patch.filter is UNSET else patch.filter or None,
        config=merged(stored.config, patch.config),
        credentials=merged(stored.credentials, patch.credentials),
        delivery_metadata=merged(stored.delivery_metadata, patch.delivery_metadata),
        metadata=merged(stored.metadata, patch.metadata),
        disabled_at=None if disabled_at is None else cut_to_milliseconds(disabled_at),
        updated_at=now,
        secrets_lost=stored.secrets_lost and not _asks(patch.credentials),
    )


def _asks(part: StringPatch | UnsetType | None) -> bool:
    """Say whether a part of a patch asks for something: `{}` does not, None asks for an empty map."""
    return part is None or (part is not UNSET and bool(part))


def _without_masked_credentials(
    patch: DestinationPatch, stored: Destination, provider: Provider, now: datetime
) -> DestinationPatch:
    if patch.credentials is UNSET or not patch.credentials:
        return patch
    shown = provider.shown_credentials(stored, now=now)
    credentials = without_masks(patch.credentials, stored=stored.credentials, shown=shown)
    return msgspec.structs.replace(patch, credentials=credentials)


def _sent(credentials: StringPatch | UnsetType | None) -> StringPatch:
    return {} if credentials is UNSET or credentials is None else credentials


def _swap(stored: Destination, wanted: Destination) -> Callable[[Destination], Destination]:
    def swap(present: Destination) -> Destination:
        if present != stored:
            raise _Stale
        return wanted

    return swap


def _found(destination: Destination | None) -> Destination:
    if destination is None:
        raise NotFound("destination")
    return destination


def _refuse_future(now: datetime, **instants: datetime | None) -> None:
    for field, instant in instants.items():
        if instant is not None and cut_to_milliseconds(instant) > now:
            raise InTheFuture(field)


def _check_filter(filter_: JsonObject | None) -> None:
    messages = check_filter(filter_) if filter_ else []
    if messages:
        raise ValidationFailed(*messages)
