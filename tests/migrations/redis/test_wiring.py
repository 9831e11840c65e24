"""The line that a configuration names."""

import pytest

from outpost.clients.redis import slot_of
from outpost.config.load import load_settings
from outpost.domain.errors import ConfigurationError
from outpost.migrations.coordinator import ApplyRequest, Coordinator
from outpost.migrations.line import VerifyRequest
from outpost.wiring.migrations import migration_lines, pending_migrations
from tests.migrations.redis.test_records import a_legacy_tenant
from tests.support.redis_store import RedisStore
from tests.support.servers.redis import RedisServer, RedisServerCluster


def _environment(server: RedisServer, **more: str) -> dict[str, str]:
    return {"REDIS_HOST": server.host, "REDIS_PORT": str(server.port), "REDIS_PASSWORD": server.password, **more}


async def test_host_and_password_are_all_that_every_command_needs(redis_password_server: RedisServer) -> None:
    RedisStore(redis_password_server).write(a_legacy_tenant("acme", "des_1"))
    settings = load_settings(environ=_environment(redis_password_server))

    async with Coordinator(migration_lines(settings)) as coordinator:
        assert len((await coordinator.plan()).steps) == 3
        await coordinator.apply(ApplyRequest())
        assert (await coordinator.verify(VerifyRequest(full=True))).ok
        (status,) = (await coordinator.status()).lines
        assert all(check.ok for check in (await coordinator.doctor()).checks)
        await coordinator.cleanup(ApplyRequest(), force=True)
        assert [run.command for run in await coordinator.history()] == ["apply", "cleanup"]

    assert redis_password_server.password not in status.target
    assert await pending_migrations(settings) == []
    assert redis_password_server.command("HGET", "tenant:{acme}:tenant", "entity") == b"tenant"


async def test_a_deployment_id_is_in_the_keys_and_the_name_of_the_store(redis_server: RedisServer) -> None:
    settings = load_settings(environ=_environment(redis_server, DEPLOYMENT_ID="dp_001"))

    async with Coordinator(migration_lines(settings)) as coordinator:
        await coordinator.apply(ApplyRequest())
        (line,) = coordinator.lines

    assert line.target.endswith("deployment dp_001")
    assert redis_server.command("HGET", "dp_001:outpost:migration:002_timestamps", "status") == b"applied"


async def test_one_setting_makes_it_a_cluster(redis_cluster: RedisServerCluster) -> None:
    store = RedisStore(redis_cluster)
    store.write({**a_legacy_tenant("a"), **a_legacy_tenant("b"), **a_legacy_tenant("c")})
    settings = load_settings(environ=_environment(redis_cluster.nodes[0], REDIS_CLUSTER_ENABLED="true"))

    async with Coordinator(migration_lines(settings)) as coordinator:
        await coordinator.apply(ApplyRequest())

    assert len({redis_cluster.home(slot_of(f"tenant:{{{name}}}:tenant".encode())) for name in "abc"}) > 1
    for name in "abc":
        assert store.command("HGET", f"tenant:{{{name}}}:tenant", "entity") == b"tenant"


def test_without_a_redis_setting_there_is_no_redis_line() -> None:
    settings = load_settings(environ={"PROFILE": "distributed"})

    with pytest.raises(ConfigurationError):
        migration_lines(settings)
