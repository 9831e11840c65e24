"""The ids of entries, as the original makes them."""

import re
import time

import pytest

from outpost.conformance.retry_scheduler import KEY
from outpost.domain.identifiers import DestinationId, EventId, TenantId
from outpost.ports.retry_scheduler import RetryKey
from outpost.schedulers.redis_body import read_body
from outpost.schedulers.redis_ids import dead_letter_id, entry_id, spare_id
from tests.support.builders import START, TENANT
from tests.support.planned_retries import planned_by


@pytest.mark.parametrize(
    ("event_id", "destination_id", "expected"),
    [
        ("evt_1", "des_1", "00000000004VQ1S57EP1C4TOIW96Q96Q"),
        ("evt_123", "des_456", "000000000029ZRQDH1DMMPTHWSYSCWIE"),
    ],
)
def test_an_id_is_made_from_event_and_destination(event_id: str, destination_id: str, expected: str) -> None:
    key = RetryKey(TENANT, EventId(event_id), DestinationId(destination_id))

    assert entry_id(key) == expected


@pytest.mark.parametrize("release", ["v0.12.0", "v1.1.0"])
def test_what_an_older_release_planned_has_the_id_that_we_would_give_it(release: str) -> None:
    planned = planned_by(release)

    assert [entry_id(read_body(body, due_at=START).key) for body in planned.values()] == [*planned]
    assert len(planned) > 10


def test_keys_that_share_an_id_have_spare_ones_of_their_own() -> None:
    keys = [
        RetryKey(TENANT, EventId("a:b"), DestinationId("c")),
        RetryKey(TENANT, EventId("a"), DestinationId("b:c")),
        RetryKey(TenantId("umbrella"), EventId("a"), DestinationId("b:c")),
    ]

    assert len({entry_id(key) for key in keys}) == 1
    assert len({spare_id(key) for key in keys} | {entry_id(keys[0])}) == 4


def test_every_id_is_one_that_rsmq_allows() -> None:
    ids = [make() for make in (lambda: entry_id(KEY), lambda: spare_id(KEY), dead_letter_id) for _ in range(100)]

    assert [id_ for id_ in ids if not re.fullmatch("[A-Za-z0-9:]{32}", id_)] == []


def test_the_id_of_a_dead_letter_is_new_and_tells_the_time() -> None:
    before = time.time_ns() // 1000
    ids = [dead_letter_id() for _ in range(100)]

    assert len(set(ids)) == 100
    assert all(before <= int(id_[:10], 36) <= time.time_ns() // 1000 for id_ in ids)
