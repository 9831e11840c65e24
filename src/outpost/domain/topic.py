"""Topics: names, patterns with `*`, and which subscription covers which topic.

`*` stands for any run of characters, none and dots included; everything else is literal and case-sensitive.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from outpost.domain.errors import InvalidTopics

EVERY_TOPIC = ("*",)
MOST_PATTERNS = 100
"""Of a destination. Tenants write them, and each is compared with each other topic, then with each event."""
MOST_CHARACTERS = 32_768
"""Of all topics of a destination together."""

Covers = Callable[[str], bool]


def subscription(topics: Sequence[str]) -> Covers:
    """Return the test "does a destination with these topics want an event of this topic", made once.

    An event without a topic, or with the topic `*`, is for everyone.
    """
    if tuple(topics) == EVERY_TOPIC:
        return _everything
    names = frozenset(topics) | {"", "*"}
    patterns = [_compiled(topic) for topic in topics if "*" in topic]
    if not patterns:
        return names.__contains__

    def covers(topic: str) -> bool:
        return topic in names or any(pattern(topic) for pattern in patterns)

    return covers


def selected_by(topics: Sequence[str], wanted: Sequence[str]) -> bool:
    """Say whether a destination with these topics belongs into a list filtered by `wanted`.

    The exact filter `*` alone selects destinations that take every topic; otherwise each wanted topic must be covered,
    and a `*` among others is ignored.
    """
    if list(wanted) == ["*"]:
        return tuple(topics) == EVERY_TOPIC
    covers = subscription(topics)
    return all(covers(topic) for topic in wanted)


def validate_topics(topics: Sequence[str], *, allowed: Sequence[str], wildcards: bool) -> None:
    """Check the topics of a destination.

    Args:
        allowed: The configured topics; empty allows any.
        wildcards: Whether `*` may stand inside a topic.

    Raises:
        InvalidTopics: Says which topic and why.
    """
    if not topics:
        raise InvalidTopics("name at least one topic, or * for all")
    if tuple(topics) == EVERY_TOPIC:
        return
    if sum(map(len, topics)) > MOST_CHARACTERS:
        raise InvalidTopics(f"the topics of a destination have at most {MOST_CHARACTERS} characters together")
    if sum("*" in topic for topic in topics) > MOST_PATTERNS:
        raise InvalidTopics(f"a destination has at most {MOST_PATTERNS} topics with a *")
    for topic in topics:
        _validate_topic(topic, allowed=allowed, wildcards=wildcards)


def _validate_topic(topic: str, *, allowed: Sequence[str], wildcards: bool) -> None:
    if not topic or "," in topic or any(character < " " or character == "\x7f" for character in topic):
        raise InvalidTopics(f"{topic!r} is empty or contains a comma or control character")
    if "*" not in topic:
        if allowed and topic not in allowed:
            raise InvalidTopics(f"{topic!r} is not a configured topic")
        return
    if not wildcards:
        raise InvalidTopics(f"{topic!r} contains *, which TOPICS_ALLOW_WILDCARDS does not allow")
    if not allowed:
        return
    if topic == "*":
        raise InvalidTopics("* may only stand alone")
    covers = _compiled(topic)
    if not any(covers(name) for name in allowed):
        raise InvalidTopics(f"{topic!r} covers no configured topic")


def normalise_topics(topics: Sequence[str]) -> tuple[str, ...]:
    """Drop repetitions, and topics that a strictly more general one beside them covers."""
    unique = list(dict.fromkeys(topics))
    patterns = [topic for topic in unique if "*" in topic]
    return tuple(
        topic
        for topic in unique
        if not any(_is_strictly_more_general(pattern, topic) for pattern in patterns if pattern != topic)
    )


def _is_strictly_more_general(pattern: str, topic: str) -> bool:
    return _covers_pattern(pattern, topic) and not _covers_pattern(topic, pattern)


def _covers_pattern(pattern: str, topic: str) -> bool:
    # Every topic that `topic` stands for is covered if its text is, a star in it taken as a character of its own.
    return pattern == topic or ("*" in pattern and _compiled(pattern)(topic))


def _everything(_: str) -> bool:
    return True


@lru_cache(maxsize=4_096)
def _compiled(pattern: str) -> Covers:
    """Return the test for a pattern with at least one star.

    The parts between stars are looked for one after the other, the first place being as good as any. A regular
    expression would try all places, and tenants write these patterns.
    """
    head, *inner, tail = pattern.split("*")

    def covers(topic: str) -> bool:
        position, end = len(head), len(topic) - len(tail)
        if position > end or not topic.startswith(head) or not topic.endswith(tail):
            return False
        for part in inner:
            found = topic.find(part, position, end)
            if found < 0:
                return False
            position = found + len(part)
        return True

    return covers
