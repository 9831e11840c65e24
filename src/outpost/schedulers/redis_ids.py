"""The ids of entries: 32 letters and digits, as RSMQ wants them (pipeline specification, 8.2 and 8.3).

planned         0000000000 ++ 22 characters from the SHA-256 of what is planned
dead letters    10 characters that tell the time ++ 22 random ones
"""

import hashlib
import random
import string
import time

from outpost.ports.retry_scheduler import RetryKey

_DIGITS = string.digits + string.ascii_lowercase
_LETTERS_AND_DIGITS = string.ascii_letters + string.digits
_NO_TIME = "0" * 10


def entry_id(key: RetryKey) -> str:
    """Return the id under which both programs plan a retry.

    It is the same for two tenants that use one event id and one destination id, and for ids that give one text when
    joined by a colon. See `spare_id`.
    """
    digest = hashlib.sha256(f"{key.event_id}:{key.destination_id}".encode()).digest()
    return _NO_TIME + _base36(int.from_bytes(digest)).upper()[:22]


def spare_id(key: RetryKey) -> str:
    """Return the id to use if that of `entry_id` is taken by another key; no two keys share it."""
    digest = hashlib.sha256("\0".join((key.tenant_id, key.event_id, key.destination_id)).encode())
    return _NO_TIME + digest.hexdigest()[:22].upper()


def dead_letter_id() -> str:
    """Return a new id, which tells when it was made."""
    now = _base36(time.time_ns() // 1000).rjust(10, "0")
    return now + "".join(random.choices(_LETTERS_AND_DIGITS, k=22))


def _base36(number: int) -> str:
    digits: list[str] = []
    while number:
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
