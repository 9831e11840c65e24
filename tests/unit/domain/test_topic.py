"""Which topics a subscription covers, which may be saved, and what is left of a list."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.domain.errors import InvalidTopics
from outpost.domain.topic import normalise_topics, selected_by, subscription, validate_topics

_PATTERNS = st.text("ab.*", min_size=1, max_size=8)
_TOPICS = st.text("ab.", max_size=10)


@pytest.mark.parametrize(
    ("topics", "topic", "covered"),
    [
        (["*"], "user.created", True),
        (["user.created"], "user.created", True),
        (["user.created"], "User.Created", False),
        (["user.created"], "user.created.now", False),
        (["order", "user.created"], "user.created", True),
        (["user.created"], "", True),
        (["user.created"], "*", True),
        ([], "user.created", False),
        (["user.*"], "user.created", True),
        (["user.*"], "user.", True),
        (["user.*"], "user", False),
        (["user.*"], "user.a.b", True),
        (["*.created"], "user.created", True),
        (["u*r.*d"], "user.created", True),
        (["a*a"], "a", False),
        (["a**a"], "aa", True),
        (["a*b*b"], "ab", False),
        (["user.c?eated"], "user.created", False),
        (["user+*"], "userr", False),
        (["user.*"], "user.\ncreated", True),
        (["order", "*"], "user.created", True),
    ],
)
def test_a_subscription_covers(topics: list[str], topic: str, covered: bool) -> None:
    assert subscription(topics)(topic) is covered


@settings(deadline=None)
@given(pattern=_PATTERNS, topic=_TOPICS)
def test_a_star_is_any_run_of_characters(pattern: str, topic: str) -> None:
    expression = "(?s:" + ".*".join(map(re.escape, pattern.split("*"))) + ")"

    assert subscription([pattern])(topic) is (topic == "" or re.fullmatch(expression, topic) is not None)


def test_a_pattern_made_to_be_slow_is_not() -> None:
    started = time.process_time()

    assert not subscription(["*a" * 500 + "*b"])("a" * 5000)
    assert time.process_time() - started < 1  # trying all ways would take longer than the sun will shine


@pytest.mark.parametrize(
    ("topics", "wanted", "selected"),
    [
        (["*"], ["*"], True),
        (["user.*"], ["*"], False),
        (["*"], ["user.created", "order"], True),
        (["user.*", "order"], ["user.created", "order"], True),
        (["user.*"], ["user.created", "order"], False),
        (["user.*"], ["*", "user.created"], True),
        (["user.*"], [""], True),
        (["user.*"], [], True),
    ],
)
def test_a_list_of_destinations_is_filtered_by_topics(topics: list[str], wanted: list[str], selected: bool) -> None:
    assert selected_by(topics, wanted) is selected


@pytest.mark.parametrize(
    ("topics", "allowed", "wildcards"),
    [
        (["*"], ["a"], False),
        (["anything"], [], False),
        (["a", "b"], ["a", "b"], False),
        (["user.*"], ["user.created"], True),
        (["user.*", "*"], [], True),
    ],
)
def test_topics_may_be_saved(topics: list[str], allowed: list[str], wildcards: bool) -> None:
    validate_topics(topics, allowed=allowed, wildcards=wildcards)


@pytest.mark.parametrize(
    ("topics", "allowed", "wildcards", "says"),
    [
        ([], [], True, "name at least one topic"),
        ([""], [], True, "is empty"),
        (["a,b"], [], True, "comma"),
        (["a\n"], [], True, "control character"),
        (["a\x7f"], [], True, "control character"),
        (["a", "c"], ["a", "b"], True, "'c' is not a configured topic"),
        (["user.*"], ["user.created"], False, "TOPICS_ALLOW_WILDCARDS"),
        (["*", "a"], ["a"], False, "TOPICS_ALLOW_WILDCARDS"),
        (["*", "a"], ["a"], True, "may only stand alone"),
        (["order.*"], ["user.created"], True, "covers no configured topic"),
        (["a" * 16_384, "b" * 16_385], [], True, "at most 32768 characters"),
        ([f"a{number}*" for number in range(101)], [], True, "at most 100 topics with a *"),
    ],
)
def test_topics_may_not_be_saved(topics: list[str], allowed: list[str], wildcards: bool, says: str) -> None:
    with pytest.raises(InvalidTopics, match=re.escape(says)):
        validate_topics(topics, allowed=allowed, wildcards=wildcards)


@pytest.mark.parametrize(
    "topics",
    [
        [
            *("*a" * 28 + f"{number:03}*" for number in range(100)),
            *("a" * 97 + f"{number:03}" for number in range(100)),
        ],
        [*(f"*a{number}" for number in range(100)), *dict.fromkeys(f"{number:x}" for number in range(4_000))],
    ],
)
def test_topics_that_may_be_saved_are_soon_normalised(topics: list[str]) -> None:
    validate_topics(topics, allowed=[], wildcards=True)
    started = time.process_time()

    normalise_topics(topics)

    assert time.process_time() - started < 2  # without the limits, a megabyte of topics takes hours


@pytest.mark.parametrize(
    ("topics", "left"),
    [
        (["a", "b", "a"], ("a", "b")),
        (["user.*", "user.created", "order"], ("user.*", "order")),
        (["user.created", "user.*"], ("user.*",)),
        (["user.*", "user.c*", "*.created"], ("user.*", "*.created")),
        (["a*", "a**"], ("a*", "a**")),
        (["*", "a", "b*"], ("*",)),
        (["*", "*"], ("*",)),
    ],
)
def test_normalising_drops_what_another_topic_covers(topics: list[str], left: tuple[str, ...]) -> None:
    assert normalise_topics(topics) == left


@settings(deadline=None)
@given(topics=st.lists(_PATTERNS, min_size=1, max_size=4), topic=_TOPICS)
def test_normalising_changes_no_answer(topics: list[str], topic: str) -> None:
    assert subscription(normalise_topics(topics))(topic) is subscription(topics)(topic)
