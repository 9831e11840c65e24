"""Stores that real releases wrote, upgraded by us and compared key by key with what the original made of them.

The differences are the deviations listed here, each by its name; there is no other.
"""

import re
from collections.abc import Mapping

import pytest

from outpost.migrations.coordinator import ApplyRequest
from outpost.migrations.line import VerifyRequest
from tests.support.redis_store import RedisStore, Value, snapshot

KEPT = b"outpost:kept:"
CONTROL = re.compile(rb"^\.?outpost:migration")
TTL_TOLERANCE_MS = 10_000


def _old(key: bytes) -> bool:
    return key.startswith(b"tenant:") and not key.startswith(b"tenant:{")


def _without_kept(value: Value) -> Value:
    """Deviation: 002 keeps the text it replaced in a field that readers ignore."""
    return Value(value.type, {name: text for name, text in value.content.items() if not name.startswith(KEPT)})


def _deviations(before: Mapping[bytes, Value], ours: Mapping[bytes, Value], theirs: Mapping[bytes, Value]) -> set[str]:
    """Return the names of the deviations found; anything else is a failed assertion."""
    found: set[str] = set()
    for key in {*ours, *theirs}:
        if CONTROL.match(key):
            continue
        mine, other = ours.get(key), theirs.get(key)
        if _old(key):
            assert mine is not None
            assert mine.content == before[key].content, key
            if mine.content != (other.content if other else None):
                found.add("002 and 003 leave old records as they are")
        elif other is None and mine is not None and b"org:42" in key:
            found.add("tenants with a colon in their id are migrated")
        elif other is None and mine is not None and before.get(key) is None:
            found.add("destinations that no summary lists are migrated: tombstones")
            assert b"deleted_at" in mine.content, key
        else:
            assert mine is not None, key
            assert other is not None, key
            if mine.type == "hash" and key.startswith(b"tenant:"):
                assert _without_kept(mine).content == other.content, key
            else:
                assert mine.content == other.content, key
            if (mine.ttl_ms < 0) != (other.ttl_ms < 0):
                assert mine.ttl_ms > 0, key
                found.add("what expires keeps its expiry")
    return found


@pytest.mark.parametrize(
    ("release", "deviations"),
    [
        (
            "v0.5.1",
            {
                "002 and 003 leave old records as they are",
                "tenants with a colon in their id are migrated",
                "destinations that no summary lists are migrated: tombstones",
                "what expires keeps its expiry",
            },
        ),
        ("v0.12.0", set[str]()),
        ("v1.1.0", set[str]()),
    ],
)
async def test_an_upgraded_store_is_what_the_original_made_of_it_but_for_named_deviations(
    store: RedisStore, release: str, deviations: set[str]
) -> None:
    before = snapshot(release)
    store.write(before)

    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())
        found = await coordinator.verify(VerifyRequest(full=True))
        sampled = await coordinator.verify(VerifyRequest())

    ours = store.read()
    assert found.ok, found
    assert sampled.ok
    assert _deviations(before, ours, snapshot(release, "redis-after-original")) == deviations
    for key, value in before.items():
        assert ours[key].type == value.type
        if value.ttl_ms >= 0:
            assert abs(ours[key].ttl_ms - value.ttl_ms) < TTL_TOLERANCE_MS


async def test_every_record_under_an_old_key_is_found_under_its_new_one_with_what_is_left_of_its_time(
    store: RedisStore,
) -> None:
    before = snapshot("v0.5.1")
    store.write(before)

    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())

    ours = store.read()
    old = [key for key in before if _old(key)]
    assert len(old) == 58
    for key in old:
        body = key.removeprefix(b"tenant:")
        for suffix in (b":destinations", b":destination:"):
            if suffix in body:
                tenant, _, rest = body.partition(suffix)
                new = b"tenant:{" + tenant + b"}" + suffix + rest
                break
        else:
            new = b"tenant:{" + body + b"}:tenant"
        assert new in ours, new
        assert (ours[new].ttl_ms < 0) == (ours[key].ttl_ms < 0)
        assert abs(ours[new].ttl_ms - ours[key].ttl_ms) <= 1_500


async def test_what_the_original_lost_in_an_upgrade_is_reported_by_verify(single: RedisStore) -> None:
    single.write(snapshot("v0.5.1", "redis-after-original"))

    async with single.coordinator() as coordinator:
        found = await coordinator.verify(VerifyRequest(full=True))

    (copies,) = [check for check in found.checks if check.name.startswith("redis/001")]
    assert any("gone-tenant" in text and "expire" in text for text in copies.differences)
    assert "without a new record" in copies.note
    assert not found.ok


@pytest.mark.parametrize("release", ["v0.5.1", "v0.12.0", "v1.1.0"])
async def test_a_store_the_original_has_migrated_is_recognised_and_left_alone(single: RedisStore, release: str) -> None:
    data = snapshot(release, "redis-after-original")
    single.write(data)

    async with single.coordinator() as coordinator:
        assert await coordinator.pending() == []
        applied = await coordinator.apply(ApplyRequest())
        states = await coordinator.states()

    assert applied.steps == []
    assert all(state.applied_at is not None for state in states)
    assert {key: value.content for key, value in single.read().items()} == {
        key: value.content for key, value in data.items()
    }
