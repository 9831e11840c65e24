"""Decides whether an old record and its new one agree, and if not, whether that is as it should be. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import msgspec

from outpost.migrations.redis.catalogue import MIGRATIONS
from outpost.migrations.redis.families import NEW_KINDS, Kind, Named
from outpost.migrations.redis.m002_timestamps import TIMES, kept, milliseconds, needs_conversion
from outpost.migrations.redis.migration import Fields
from outpost.migrations.redis.reading import Stored

Verdict = Literal["equal", "changed", "deleted", "unknown", "different"]
"""equal      the new record is what the old one had to become
changed    a server has changed it since
deleted    a server has deleted it since
unknown    there is none, and whether it was deleted or never migrated cannot be told
different  it is none of these
"""
VERDICTS: Sequence[Verdict] = get_args(Verdict)

TTL_TOLERANCE_MS = 2_000

_KEPT_TIMES = {name: kept(name) for name in TIMES}
_ADDED = frozenset((b"entity", *_KEPT_TIMES.values()))
"""Fields that migrations add to a record."""
_encode = msgspec.msgpack.Encoder().encode


class Around(msgspec.Struct, frozen=True):
    """What lies around a record and tells of its fate.

    Attributes:
        tenant_exists: The tenant's new record.
        listed_before, listed_now: The destination is named by the old summary, by the new one.
        ours: This tool has migrated the record, so a difference cannot be the original's.
    """

    tenant_exists: bool = False
    listed_before: bool = False
    listed_now: bool = False
    ours: bool = True


def judge(named: Named, old: Stored, new: Stored, around: Around) -> tuple[Verdict, str]:
    """Return the verdict, and in which way they differ."""
    if not old.exists:
        return "equal", ""  # it has expired meanwhile
    if not new.exists:
        return _absent(named, old, around)
    if new.type != "hash":
        return "different", f"is a {new.type}"
    if named.kind is Kind.OLD_SUMMARY:
        return _summary(old.fields, new.fields)
    alive = named.kind is Kind.OLD_DESTINATION and b"deleted_at" not in new.fields
    if alive and around.listed_before and not around.listed_now:
        return "different", "is not in its tenant's summary any more, although it was not deleted"
    differing = differences(old.fields, new.fields)
    expiry = _expiry(old, new)
    if not differing and not expiry:
        return "equal", ""
    if _touched(old.fields, new.fields, ours=around.ours, differing=differing):
        return "changed", ""
    return "different", ", ".join([*(f"{name} differs" for name in differing), *([expiry] if expiry else [])])


def is_made_of(named: Named, old: Stored, new: Stored) -> bool:
    """Say whether a new record is exactly what all migrations together make of its old one. Nearly all are."""
    if not _are_alike(old, new):
        return False
    made, kind = old.fields, NEW_KINDS[named.kind]
    try:
        for migration in MIGRATIONS:
            made = migration.transform(made, kind)
    except ValueError:
        return False
    return made == new.fields


def agree(named: Named, old: Stored, new: Stored) -> bool:
    """Say whether a new record is plainly what its old one had to become. If not, `judge` says whether that is well."""
    if not _are_alike(old, new):
        return False
    return old.fields == new.fields if named.kind is Kind.OLD_SUMMARY else not differences(old.fields, new.fields)


def _are_alike(old: Stored, new: Stored) -> bool:
    """Say whether both are hashes whose fields were read, and expire together."""
    return old.type == new.type == "hash" and not (old.large or new.large or _expiry(old, new))


def essence(record: Stored, *, is_summary: bool) -> bytes:
    """Return bytes that tell what a migration must not change in a record, whatever the order of its fields."""
    size = record.size if record.large or record.type != "hash" else 0
    fields = record.fields
    if not is_summary:
        fields = dict(fields)
        for name in _ADDED:
            fields.pop(name, None)
        for name in TIMES:
            if name in fields:
                fields[name] = _in_milliseconds(fields[name])
    return _encode((record.type, size, sorted(fields.items())))


def _in_milliseconds(text: bytes) -> bytes:
    if text.isdigit():
        return text
    instant = _instant(text)
    return text if instant is None else b"%d" % instant


def differences(old: Fields, new: Fields) -> Sequence[str]:
    """Return the fields in which a new record is not what its old one had to become."""
    before = old.get
    differing = [
        name
        for name, value in new.items()
        if before(name) != value and name not in _ADDED and not (name in TIMES and _same_time(before(name), value))
    ]
    differing += [name for name in old if name not in new and name not in _ADDED]
    return [name.decode(errors="backslashreplace") for name in sorted(differing)]


def kept_differences(record: Mapping[bytes, bytes]) -> Sequence[str]:
    """Return the times of a record that are not those of the texts it keeps, and not later ones either."""
    found: list[str] = []
    for name, keeping in _KEPT_TIMES.items():
        text, value = record.get(keeping), record.get(name)
        if text is None or value is None or needs_conversion(value):
            continue
        is_now, was = int(value), milliseconds(text)
        if is_now < was or (is_now != was and not _edited(record)):
            found.append(f"{name.decode()} is not {text.decode(errors='backslashreplace')}")
    return found


def _edited(record: Mapping[bytes, bytes]) -> bool:
    """Say whether a server has written the record since its times were converted."""
    text, value = record.get(kept(b"updated_at")), record.get(b"updated_at")
    if b"deleted_at" in record:
        return True
    if value is None or needs_conversion(value):
        return False
    return text is None or int(value) > milliseconds(text)


def _absent(named: Named, old: Stored, around: Around) -> tuple[Verdict, str]:
    if 0 <= old.ttl <= TTL_TOLERANCE_MS:
        return "equal", ""
    match named.kind:
        case Kind.OLD_TENANT:
            return "unknown", ""
        case Kind.OLD_SUMMARY:
            return ("deleted", "") if around.tenant_exists else ("unknown", "")
        case _:
            if not around.tenant_exists:
                return "unknown", ""
            if around.listed_before and not around.listed_now:
                return "deleted", ""
            if around.listed_now or around.ours:
                return "different", "is missing"
            return "unknown", ""


def _summary(old: Fields, new: Fields) -> tuple[Verdict, str]:
    """A summary has no time of its own, and every change of a destination changes it: only its form can be judged."""
    if old == new:
        return "equal", ""
    if all(value.startswith(b"{") for value in new.values()):
        return "changed", ""
    return "different", "holds something else than destinations"


def _expiry(old: Stored, new: Stored) -> str:
    if (old.ttl < 0) != (new.ttl < 0):
        return "does not expire any more" if new.ttl < 0 else "expires"
    return "expires at another time" if abs(old.ttl - new.ttl) > TTL_TOLERANCE_MS else ""


def _touched(old: Fields, new: Fields, *, ours: bool, differing: Sequence[str]) -> bool:
    if b"deleted_at" in new and b"deleted_at" not in old:
        return True
    before, after = _instant(old.get(b"updated_at")), _instant(new.get(b"updated_at"))
    if after is not None and (before is None or after > before):
        return True
    if b"deleted_at" in old and b"deleted_at" not in new and b"id" in new:
        return True  # created again
    # Releases 0.6 and 0.7 wrote no time of change, so theirs cannot be told from a fault of the original's migration.
    return not ours and bool(differing)


def _same_time(before: bytes | None, after: bytes) -> bool:
    if before is None:
        return False
    first = _instant(before)
    return first is not None and (b"%d" % first == after or first == _instant(after))


def _instant(text: bytes | None) -> int | None:
    if not text:
        return None
    if not needs_conversion(text):
        return int(text)
    try:
        return milliseconds(text)
    except ValueError:
        return None
