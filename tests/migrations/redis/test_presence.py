"""`cleanup` removes nothing that a living server still reads."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from outpost.migrations.coordinator import ApplyRequest
from outpost.migrations.errors import Refused
from outpost.migrations.line import VerifyRequest
from outpost.migrations.redis.catalogue import MIGRATIONS, READER
from outpost.migrations.redis.keys import ToolKeys
from outpost.stores.presence.redis import RedisPresence
from tests.migrations.redis.test_records import a_legacy_tenant
from tests.support.redis_store import RedisStore

KEY = ToolKeys().presence


@pytest.fixture
async def presence(store: RedisStore) -> AsyncIterator[RedisPresence]:
    async with contextlib.aclosing(store.redis()) as redis:
        yield RedisPresence(redis, key=KEY)


@pytest.fixture
async def verified(store: RedisStore) -> RedisStore:
    """A store that was migrated long ago and verified in full."""
    store.write(a_legacy_tenant("acme", "des_1"))
    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())
        for migration in MIGRATIONS:
            store.command("HSET", ToolKeys().state(migration.name), "applied_at", "2020-01-01T00:00:00Z")
        assert (await coordinator.verify(VerifyRequest(full=True))).ok
    return store


async def _cleanup(store: RedisStore, *, force: bool = False) -> None:
    async with store.coordinator() as coordinator:
        await coordinator.cleanup(ApplyRequest(), force=force)


def _old_data(store: RedisStore) -> bool:
    return b"tenant:acme" in store.read()


async def test_a_living_server_of_an_older_form_keeps_cleanup_away(
    verified: RedisStore, presence: RedisPresence
) -> None:
    await presence.announce("api-new", READER)
    await presence.announce("api-old", READER - 1)

    with pytest.raises(Refused, match=r"servers that need the old data are alive: api-old;") as failure:
        await _cleanup(verified)

    assert failure.value.exit_code == 16
    assert _old_data(verified)
    await presence.withdraw("api-old")
    await _cleanup(verified)
    assert not _old_data(verified)


async def test_a_server_that_has_been_silent_for_long_keeps_nobody_away(
    verified: RedisStore, presence: RedisPresence
) -> None:
    await presence.announce("api-old", READER - 1)
    seconds = int(verified.command("HGET", KEY, "api-old").split()[0])
    verified.command("HSET", KEY, "api-old", f"{seconds - 100} {READER - 1}")

    await _cleanup(verified)

    assert not _old_data(verified)


async def test_a_server_whose_form_is_not_understood_may_need_the_old_data(verified: RedisStore) -> None:
    verified.command("HSET", KEY, "api-odd", "9999999999 ?")

    with pytest.raises(Refused, match="api-odd"):
        await _cleanup(verified)

    assert _old_data(verified)


async def test_a_person_may_overrule_it(verified: RedisStore, presence: RedisPresence) -> None:
    await presence.announce("api-old", READER - 1)

    await _cleanup(verified, force=True)

    assert not _old_data(verified)
    assert verified.command("HGET", "outpost:migrate:store", "forced") == b"True"
