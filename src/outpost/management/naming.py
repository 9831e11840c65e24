"""What ids may be.

An id stands in a path, so a slash would make its thing unreachable, and so would `.` and `..`, which clients take away
before they ask.
"""

import re

from outpost.domain.errors import ValidationFailed

MAX_ID_CHARACTERS = 255

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def is_good_id(text: str) -> bool:
    """Say whether a new tenant or destination may have this id."""
    if not text or len(text) > MAX_ID_CHARACTERS or text in (".", ".."):
        return False
    return "/" not in text and not _CONTROL.search(text)


def check_id(field: str, text: str) -> None:
    """Raises ValidationFailed if a new thing may not have this id."""
    if not is_good_id(text):
        raise ValidationFailed(
            f"{field} must have 1 to {MAX_ID_CHARACTERS} characters, none of them a slash or a control character, "
            "and must not be . or .."
        )
