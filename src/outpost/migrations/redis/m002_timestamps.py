"""002 (before the upgrade of the servers): times of creation and change become Unix milliseconds.

    created_at  2025-05-06T12:00:00.12+07:00  ->  1746507600120

What is finer than a millisecond is cut off. The replaced text stays in a field of the same hash until `cleanup`, so
that nothing is lost and `verify` has something to compare. Other times (`disabled_at`, `deleted_at`) are left as they
are: every reader takes both forms.
"""

import datetime
import re
from functools import lru_cache

from outpost.migrations.redis.families import Kind
from outpost.migrations.redis.migration import Fields
from outpost.migrations.redis.scripts import KEPT

TIMES = (b"created_at", b"updated_at")

_RFC3339 = re.compile(
    rb"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
)
_KEPT = KEPT.encode()
_NUMBER = re.compile(rb"[+-]?\d+")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MILLISECOND = datetime.timedelta(milliseconds=1)


class Timestamps:
    number = 2
    name = "002_timestamps"
    description = "times of tenants and destinations as Unix milliseconds"
    preserves = "the replaced times, beside the new ones"
    min_reader = 1
    online = True

    def inapplicable(self, prefix: str) -> str:
        return ""

    def transform(self, record: Fields, kind: Kind) -> Fields:
        if kind is Kind.SUMMARY:
            return record
        result = dict(record)
        for name in TIMES:
            text = record.get(name, b"")
            if needs_conversion(text):
                result[name] = b"%d" % milliseconds(text)
                result[kept(name)] = text
        return result

    def is_done(self, record: Fields, kind: Kind) -> bool:
        if kind is not Kind.SUMMARY:
            for name in TIMES:
                if needs_conversion(record.get(name, b"")):
                    return False
        return True


def kept(name: bytes) -> bytes:
    """Return the field that keeps the replaced text of a time."""
    return _KEPT + name


def needs_conversion(text: bytes) -> bool:
    """Say whether a time is neither empty nor a whole number of 64 bits."""
    if not text or (len(text) < 19 and text.isdigit()):
        return False
    return not (_NUMBER.fullmatch(text) and -(2**63) < int(text) < 2**63)


@lru_cache(maxsize=4_096)
def milliseconds(text: bytes) -> int:
    """Return the Unix milliseconds of an RFC 3339 timestamp, rounded down.

    Remembered, because a record and its copy, or what it keeps, hold the same text.

    Raises:
        ValueError: It is no such timestamp.
    """
    if _RFC3339.fullmatch(text) is None:
        raise ValueError("not an RFC 3339 timestamp")
    return (datetime.datetime.fromisoformat(text.decode()) - _EPOCH) // _MILLISECOND
