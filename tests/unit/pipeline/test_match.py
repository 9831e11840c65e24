"""Which destinations want an event."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from outpost.domain.destination import Destination
from outpost.domain.event import Event
from outpost.domain.identifiers import DestinationId
from outpost.pipeline.match import Matcher
from tests.support.builders import START, a_destination, an_event


def taking(schema: dict[str, Any] | None, **changes: Any) -> Destination:
    return a_destination(**{"topics": ("*",), "filter": schema, **changes})


def names(destinations: list[Destination]) -> list[str]:
    return [destination.id for destination in destinations]


def test_enabled_topic_and_filter_must_all_hold() -> None:
    destinations = [
        a_destination("wants", topics=("user.*",), filter={"data": {"amount": {"$gte": 100}}}),
        a_destination("disabled", topics=("*",), filter=None, disabled_at=START),
        a_destination("other topic", topics=("order.*",), filter=None),
        a_destination("other content", topics=("*",), filter={"data": {"amount": {"$lt": 100}}}),
        a_destination("wants all", topics=("*",), filter={}),
    ]

    assert names(Matcher().select(destinations, an_event(data=b'{"amount":100}'))) == ["wants", "wants all"]


def test_a_destination_named_by_the_publisher_must_still_want_the_event() -> None:
    destinations = [taking(None), a_destination("des_2", topics=("order",), filter=None)]
    matcher = Matcher()

    assert names(matcher.select(destinations, an_event(), DestinationId("des_1"))) == ["des_1"]
    assert names(matcher.select(destinations, an_event(), DestinationId("des_2"))) == []
    assert names(matcher.select(destinations, an_event(), DestinationId("des_3"))) == []


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"id": "evt_1"}, True),
        ({"topic": {"$startsWith": "user."}}, True),
        ({"metadata": {"source": "api"}}, True),
        ({"metadata": {"source": "portal"}}, False),
        ({"data": {"b": 1, "a": "é"}}, True),
        ({"tenant_id": "acme"}, False),
        ({"time": "2026-01-02T03:04:05Z"}, True),
        ({"$not": {"data": {"b": 2}}}, True),
    ],
)
def test_a_filter_looks_at(schema: dict[str, Any], expected: bool) -> None:
    assert Matcher().matches(taking(schema), an_event()) is expected


def test_time_is_compared_in_utc_with_whole_seconds() -> None:
    cest = timezone(timedelta(hours=2))
    event = an_event(time=datetime(2026, 6, 1, 1, 0, 0, 999999, tzinfo=cest))

    assert Matcher().matches(taking({"time": "2026-05-31T23:00:00Z"}), event)


def test_time_is_written_with_four_digits_of_the_year() -> None:
    event = an_event(time=datetime(999, 1, 2, tzinfo=UTC))

    assert Matcher().matches(taking({"time": {"$lt": "1000"}}), event)


@pytest.mark.parametrize("data", [b"", b"not json", b"\xff", b"[" * 100_000])
def test_data_that_cannot_be_parsed_counts_as_empty(data: bytes) -> None:
    matcher = Matcher()

    assert matcher.matches(taking({"data": {}}), an_event(data=data))
    assert not matcher.matches(taking({"data": {"a": 1}}), an_event(data=data))


def test_data_is_parsed_once_and_only_for_a_filter_that_looks_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    decode = msgspec.json.decode

    def counting(data: bytes) -> Any:
        parsed.append(data)
        return decode(data)

    monkeypatch.setattr(msgspec.json, "decode", counting)
    matcher = Matcher()
    event: Event = an_event()

    matcher.select([taking({"topic": "user.created"}), taking(None)], event)
    assert parsed == []

    matcher.select([taking({"data": {"b": 1}}, destination_id=name) for name in ("des_1", "des_2")], event)
    assert parsed == [event.data]


def test_a_changed_destination_is_matched_by_its_new_filter() -> None:
    matcher = Matcher()
    assert not matcher.matches(taking({"topic": "order"}), an_event())

    assert matcher.matches(taking({"topic": "user.created"}), an_event())
