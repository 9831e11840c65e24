"""How what is stored is shown."""

from typing import Any

import msgspec
import pytest

from outpost.api import render
from outpost.ports.log_store import LoggedAttempt
from tests.support.builders import an_attempt, an_event


def _shown(response_data: bytes, data: bytes) -> dict[str, Any]:
    logged = LoggedAttempt(attempt=an_attempt(response_data=response_data), event=an_event(data=data))
    return msgspec.json.decode(msgspec.json.encode(render.attempt(logged, frozenset(("event.data", "response_data")))))


@pytest.mark.parametrize("stored", ["{oops", "not json", " ", '{"a":1} and more'])
def test_what_is_no_json_is_shown_as_text_and_spoils_nothing(stored: str) -> None:
    shown = _shown(stored.encode(), stored.encode())

    assert shown["response_data"] == {"raw": stored}
    assert shown["event"]["data"] == {"raw": stored}


def test_what_is_json_is_shown_as_it_was_stored_however_deep() -> None:
    deep = b'{"a":' * 5_000 + b"1" + b"}" * 5_000

    event = render.event(an_event(data=deep))

    assert deep in msgspec.json.encode(event)
