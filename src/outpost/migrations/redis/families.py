"""Which records there are, told by the names of their keys.

    old form                         new form (all of a tenant in one slot of a cluster)
    tenant:<t>                       tenant:{<t>}:tenant                    hash
    tenant:<t>:destinations          tenant:{<t>}:destinations              hash, the summary: destination id -> JSON
    tenant:<t>:destination:<d>       tenant:{<t>}:destination:<d>           hash

Ids are free text and may hold `:`, `{` and `}`, so a name can have several meanings. Those that have only one, nearly
all, are sorted without a look at the record; a record tells by its own `id` which of the others it is.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

_OF_TENANT = b":destination:"
_LIST = b":destinations"
_NEW_TENANT = b"}:tenant"
_NEW_LIST = b"}:destinations"
_NEW_OF_TENANT = b"}:destination:"
_UNPLAIN = re.compile(rb"[:{}]")


class Kind(StrEnum):
    """What a record is; of the old form or the new."""

    OLD_TENANT = "old tenant"
    OLD_SUMMARY = "old summary"
    OLD_DESTINATION = "old destination"
    TENANT = "tenant"
    SUMMARY = "summary"
    DESTINATION = "destination"


NEW_KINDS = {
    Kind.OLD_TENANT: Kind.TENANT,
    Kind.OLD_DESTINATION: Kind.DESTINATION,
    Kind.OLD_SUMMARY: Kind.SUMMARY,
}
"""What a record of the old form becomes."""


class Named(NamedTuple):
    """One meaning of a key's name; `destination` is empty unless the kind is a destination, and may be even then."""

    kind: Kind
    key: bytes
    tenant: bytes
    destination: bytes = b""

    @property
    def own_id(self) -> bytes:
        """The id of the record, which it tells itself; of a summary that of its tenant, which it does not tell."""
        return self.destination if self.kind in (Kind.OLD_DESTINATION, Kind.DESTINATION) else self.tenant

    @property
    def is_plain(self) -> bool:
        """Whether its name has no other meaning: no id in it holds `:`, `{` or `}`, or is `destinations`."""
        return not _UNPLAIN.search(self.tenant + self.destination) and self.destination != b"destinations"


class Names(msgspec.Struct, frozen=True):
    """How the keys of the records are written; `prefix` is that of the deployment."""

    prefix: bytes = b""

    def old_tenant(self, tenant: bytes) -> bytes:
        return b"tenant:" + tenant

    def old_summary(self, tenant: bytes) -> bytes:
        return b"tenant:" + tenant + _LIST

    def tenant(self, tenant: bytes) -> bytes:
        return self.prefix + b"tenant:{" + tenant + _NEW_TENANT

    def summary(self, tenant: bytes) -> bytes:
        return self.prefix + b"tenant:{" + tenant + _NEW_LIST

    def destination(self, tenant: bytes, destination: bytes) -> bytes:
        return self.prefix + b"tenant:{" + tenant + _NEW_OF_TENANT + destination

    def new_of(self, old: Named) -> bytes:
        """Return the key that a record of the old form gets."""
        match old.kind:
            case Kind.OLD_DESTINATION:
                return self.destination(old.tenant, old.destination)
            case Kind.OLD_SUMMARY:
                return self.summary(old.tenant)
            case _:
                return self.tenant(old.tenant)

    def plain_old_of(self, new: bytes) -> bytes | None:
        """Return the key of the old form from which one of the new form was made; None unless it is a plain name."""
        tenant, _, rest = new[len(self.prefix) + len(b"tenant:{") :].partition(b"}")
        destination = rest.removeprefix(_OF_TENANT) if rest not in (b":tenant", _LIST) else b""
        if _UNPLAIN.search(tenant + destination) or destination == b"destinations":
            return None
        return b"tenant:" + tenant + (b"" if rest == b":tenant" else rest)


class Sorted(msgspec.Struct):
    """The keys of one page, by kind; `unclear` ones need a look at the record."""

    old_tenants: list[tuple[bytes, bytes]] = []
    old_summaries: list[tuple[bytes, bytes]] = []
    old_destinations: list[tuple[bytes, bytes, bytes]] = []
    tenants: list[bytes] = []
    destinations: list[bytes] = []
    summaries: list[bytes] = []
    unclear: list[bytes] = []


class Sorter:
    """Sorts keys by their names."""

    def __init__(self, names: Names, *, old: bool) -> None:
        """Prepare.

        Args:
            old: Sort records of the old form too; otherwise they are left out.
        """
        self._start = len(names.prefix) + len(b"tenant:")
        self._old = old

    def sort(self, keys: Iterable[bytes]) -> Sorted:
        found = Sorted()
        for key in keys:
            body = key[self._start :]
            if body.startswith(b"{") and self._new(found, key, body):
                continue
            if self._old:
                self._sort_old(found, key, body)
        return found

    def _new(self, found: Sorted, key: bytes, body: bytes) -> bool:
        """Sort a key of the new form; say whether it is one."""
        if _NEW_OF_TENANT in body:
            if body.endswith((_NEW_TENANT, _NEW_LIST)):
                found.unclear.append(key)
            else:
                found.destinations.append(key)
        elif body.endswith(_NEW_TENANT):
            found.tenants.append(key)
        elif body.endswith(_NEW_LIST):
            found.summaries.append(key)
        else:
            return False
        return True

    def _sort_old(self, found: Sorted, key: bytes, body: bytes) -> None:
        if b":" not in body:
            if body.startswith(b"{") and body.endswith(b"}"):
                found.unclear.append(key)
            else:
                found.old_tenants.append((key, body))
            return
        tenant, separator, destination = body.partition(_OF_TENANT)
        if not separator:
            if body.endswith(_LIST):
                found.old_summaries.append((key, body[: -len(_LIST)]))
            else:
                found.old_tenants.append((key, body))
        elif _OF_TENANT in destination or body.endswith(_LIST):
            found.unclear.append(key)
        else:
            found.old_destinations.append((key, tenant, destination))


def old_of(found: Sorted) -> Sequence[Named]:
    """Return the records of the old form in a page."""
    return [
        *(Named(Kind.OLD_TENANT, key, tenant) for key, tenant in found.old_tenants),
        *(Named(Kind.OLD_DESTINATION, key, tenant, each) for key, tenant, each in found.old_destinations),
        *(Named(Kind.OLD_SUMMARY, key, tenant) for key, tenant in found.old_summaries),
    ]


def meanings(key: bytes, names: Names, *, old: bool) -> Sequence[Named]:
    """Return everything a key's name can mean."""
    body = key[len(names.prefix) + len(b"tenant:") :]
    found: list[Named] = []
    if body.startswith(b"{"):
        if body.endswith(_NEW_TENANT):
            found.append(Named(Kind.TENANT, key, body[1 : -len(_NEW_TENANT)]))
        if body.endswith(_NEW_LIST):
            found.append(Named(Kind.SUMMARY, key, body[1 : -len(_NEW_LIST)]))
        found += [
            Named(Kind.DESTINATION, key, body[1 : at.start()], body[at.end() :])
            for at in re.finditer(re.escape(_NEW_OF_TENANT), body)
        ]
    if old:
        found.append(Named(Kind.OLD_TENANT, key, body))
        if body.endswith(_LIST):
            found.append(Named(Kind.OLD_SUMMARY, key, body[: -len(_LIST)]))
        found += [
            Named(Kind.OLD_DESTINATION, key, body[: at.start()], body[at.end() :])
            for at in re.finditer(re.escape(_OF_TENANT), body)
        ]
    return found


def meant(key: bytes, fields: Mapping[bytes, bytes], names: Names, *, old: bool) -> Named | None:
    """Return which of the meanings of its name a record bears out; None if none, or more than one."""
    fitting = [named for named in meanings(key, names, old=old) if _fits(named, fields)]
    # `tenant:{a}` holds the tenant `{a}` of the old form, whose further keys have the names of those of tenant `a`.
    if any(named.kind is Kind.OLD_TENANT and re.fullmatch(rb"\{.*\}", named.tenant, re.DOTALL) for named in fitting):
        return None
    return fitting[0] if len(fitting) == 1 else None


def _fits(named: Named, fields: Mapping[bytes, bytes]) -> bool:
    if named.kind in (Kind.OLD_SUMMARY, Kind.SUMMARY):
        return bool(fields) and all(value.startswith(b"{") for value in fields.values())
    told = fields.get(b"id")
    return told == named.own_id or (told is None and b"deleted_at" in fields)
