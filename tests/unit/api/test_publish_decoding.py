"""The two ways of reading a publish request agree."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.api.errors import Problem
from outpost.api.routes import publish
from outpost.api.routes.publish import decode_publish
from outpost.domain.errors import ValidationFailed
from outpost.pipeline.publish import PublishCommand

TEXT = st.text(max_size=8)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.fixed_dictionaries(
    {"tenant_id": TEXT | ANYTHING, "data": st.dictionaries(TEXT, ANYTHING, max_size=3) | ANYTHING},
    optional={
        "topic": TEXT | ANYTHING,
        "id": TEXT | st.none(),
        "destination_id": TEXT | ANYTHING,
        "eligible_for_retry": st.booleans() | st.none() | TEXT,
        "time": st.sampled_from(["2024-01-01T00:00:00Z", "2024-01-01", "", None, 5]),
        "metadata": st.dictionaries(TEXT, TEXT | st.none() | st.integers(), max_size=3) | ANYTHING,
        "unknown": ANYTHING,
    },
)


def outcome(body: bytes) -> PublishCommand | tuple[str, ...]:
    try:
        return decode_publish(body)
    except Problem as problem:
        return str(problem), *(problem.data or ())
    except ValidationFailed as error:
        return error.messages


@given(BODIES, st.booleans())
def test_both_ways_of_reading_come_to_the_same(body: object, escaped: bool) -> None:
    raw = json.dumps(body, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    fast = outcome(raw)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "_decode", _never)
        slow = outcome(raw)

    assert fast == slow


def _never(body: bytes) -> object:
    raise msgspec.DecodeError("the slow way is wanted")


@given(st.binary(max_size=60))
def test_no_bytes_bring_anything_but_an_answer(raw: bytes) -> None:
    outcome(raw)
    outcome(b'{"tenant_id":"t","data":{' + raw + b"}}")
