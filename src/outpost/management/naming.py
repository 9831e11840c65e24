"""What ids and topics may be called.

An id stands in a path, so a slash would make its thing unreachable. Stores may join topics with commas.
"""

import re
from collections.abc import Sequence

from outpost.domain.errors import InvalidTopics, ValidationFailed

MAX_ID_CHARACTERS = 255

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def is_good_id(text: str) -> bool:
    """Say whether a new tenant or destination may have this id."""
    return bool(text) and len(text) <= MAX_ID_CHARACTERS and "/" not in text and not _CONTROL.search(text)


def check_id(field: str, text: str) -> None:
    """Raises ValidationFailed if a new thing may not have this id."""
    if not is_good_id(text):
        raise ValidationFailed(
            f"{field} must have 1 to {MAX_ID_CHARACTERS} characters, none of them a slash or a control character"
        )


def check_topic_names(topics: Sequence[str]) -> None:
    """Raises InvalidTopics if a topic could not be stored as it is."""
    for topic in topics:
        if not topic:
            raise InvalidTopics("a topic must not be empty")
        if "," in topic or _CONTROL.search(topic):
            raise InvalidTopics(f"topic {topic!r} must not contain commas or control characters")
