"""What `outpost migrate` answers when a Redis cannot be migrated: the code of the table, one line, and no secret."""

from collections.abc import Callable

import pytest

from outpost.migrations.coordinator import ApplyRequest
from outpost.migrations.errors import MigrationError, Refused
from outpost.migrations.redis.preflight import NEEDED
from tests.migrations.redis.outcomes import (
    APPLY,
    SNAPSHOT_SECRET,
    assert_converges,
    assert_not_applied,
    configured,
    records,
    undisturbed,
)
from tests.migrations.redis.test_records import a_legacy_tenant
from tests.support.process import OutpostProcess
from tests.support.redis_store import RedisStore, Value, a_hash, snapshot
from tests.support.servers import free_port
from tests.support.servers.redis import RedisServer

PASSWORD = "not the right one"
USER = "outpost-migrate"


async def _refused(outpost: OutpostProcess, *arguments: str, **settings: str) -> tuple[int, str]:
    """Run `apply` and return its exit code and the one line it said on standard error."""
    code, out, err = await outpost.run(*(arguments or APPLY), **settings)
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("Error: "), err
    for secret in (settings.get("REDIS_PASSWORD"), outpost.settings.get("REDIS_PASSWORD")):
        assert not secret or secret not in out + err
    return code, lines[0]


@pytest.fixture
def legacy(single: RedisStore, outpost: OutpostProcess) -> RedisStore:
    """A store that has something to migrate, and that `outpost` is configured for."""
    single.write(a_legacy_tenant("acme", "des_1"))
    configured(outpost, single)
    return single


async def test_nobody_listening_is_17(outpost: OutpostProcess, legacy: RedisStore) -> None:
    port = free_port()

    code, line = await _refused(outpost, REDIS_PORT=str(port))

    assert code == 17
    assert f"127.0.0.1:{port}" in line


async def test_a_wrong_password_is_16_and_hidden(outpost: OutpostProcess, redis_password_server: RedisServer) -> None:
    configured(outpost, RedisStore(redis_password_server))

    code, line = await _refused(outpost, REDIS_PASSWORD=PASSWORD)

    assert code == 16
    assert "REDIS_PASSWORD" in line


async def test_no_password_is_16(outpost: OutpostProcess, redis_password_server: RedisServer) -> None:
    configured(outpost, RedisStore(redis_password_server))

    code, line = await _refused(outpost)

    assert code == 16
    assert "REDIS_PASSWORD" in line


async def test_data_of_a_newer_program_is_18(outpost: OutpostProcess, legacy: RedisStore) -> None:
    legacy.command("HSET", "outpost:migrate:store", "min_reader", "2")

    code, line = await _refused(outpost)

    assert code == 18
    assert "Run the newer version" in line


async def test_a_read_only_replica_is_16_and_names_its_primary(
    outpost: OutpostProcess, new_redis_server: Callable[..., RedisServer]
) -> None:
    primary, replica = new_redis_server(), new_redis_server()
    replica.command("REPLICAOF", primary.host, primary.port)
    configured(outpost, RedisStore(replica))

    code, line = await _refused(outpost)

    assert code == 16
    assert "this is a read-only replica" in line
    assert f"its primary, {primary.host}:{primary.port}" in line


async def test_whoever_may_not_ask_a_replica_for_its_primary_is_told_what_it_is(
    outpost: OutpostProcess, new_redis_server: Callable[..., RedisServer]
) -> None:
    primary, replica = new_redis_server(), new_redis_server()
    replica.command("REPLICAOF", primary.host, primary.port)
    replica.command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "~*", "+@all", "-info")
    configured(outpost, RedisStore(replica))

    code, line = await _refused(outpost, REDIS_USERNAME=USER, REDIS_PASSWORD=PASSWORD)

    assert code == 16
    assert "this is a read-only replica" in line


async def test_no_terminal_and_no_yes_is_19_and_changes_nothing(outpost: OutpostProcess, legacy: RedisStore) -> None:
    before = legacy.read()

    code, line = await _refused(outpost, "migrate", "apply")

    assert code == 19
    assert "--yes" in line
    assert legacy.read() == before


async def test_a_lock_of_the_original_tool_is_respected(outpost: OutpostProcess, legacy: RedisStore) -> None:
    legacy.write({b".outpost:migration_lock": Value("string", b"a" * 40, 3_600_000)})

    code, line = await _refused(outpost, *APPLY, "--lock-timeout", "0")

    assert code == 11
    assert "another program" in line


async def test_records_that_need_a_decision_are_14(outpost: OutpostProcess, legacy: RedisStore) -> None:
    legacy.write({b"tenant:odd": a_hash(id="other")})

    code, _, err = await outpost.run(*APPLY)

    assert code == 14
    assert err.splitlines()[-1].startswith("Error: 1 record of redis could not be understood")


async def test_a_server_that_may_evict_records_is_16(
    outpost: OutpostProcess, new_redis_server: Callable[..., RedisServer]
) -> None:
    store = RedisStore(new_redis_server(settings={"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}))
    store.write(a_legacy_tenant("acme", "des_1"))
    configured(outpost, store)

    code, line = await _refused(outpost)

    assert code == 16
    assert "noeviction" in line
    assert records(store).keys() == a_legacy_tenant("acme", "des_1").keys()


async def test_a_missing_permission_is_16_and_names_the_command_that_grants_it(
    outpost: OutpostProcess, legacy: RedisStore
) -> None:
    legacy.nodes[0].command("ACL", "SETUSER", USER, "reset", "on", f">{PASSWORD}", "~*", "+@all", "-copy", "-hscan")

    try:
        code, line = await _refused(outpost, REDIS_USERNAME=USER, REDIS_PASSWORD=PASSWORD)
    finally:
        legacy.nodes[0].command("ACL", "DELUSER", USER)

    assert code == 16
    assert f"ACL SETUSER {USER} +copy +hscan" in line
    await assert_not_applied(legacy)


async def test_the_doctor_names_the_grant_also_to_who_may_not_read_the_keys(
    outpost: OutpostProcess, legacy: RedisStore
) -> None:
    legacy.nodes[0].command("ACL", "SETUSER", USER, "reset", "on", f">{PASSWORD}", "~*", "+@all", "-scan")
    login = {"REDIS_USERNAME": USER, "REDIS_PASSWORD": PASSWORD}

    try:
        code, out, _ = await outpost.run("migrate", "doctor", **login)
        refused, line = await _refused(outpost, **login)
    finally:
        legacy.nodes[0].command("ACL", "DELUSER", USER)

    assert (code, refused) == (16, 16)
    assert f"ACL SETUSER {USER} +scan" in out
    assert f"ACL SETUSER {USER} +scan" in line


async def test_a_secret_that_does_not_open_what_is_stored_is_16_and_not_shown(
    outpost: OutpostProcess, single: RedisStore
) -> None:
    single.write(snapshot("v0.5.1"))
    configured(outpost, single)

    code, line = await _refused(outpost, AES_ENCRYPTION_SECRET="of another deployment")
    await assert_not_applied(single)
    right, *_ = await outpost.run(*APPLY, AES_ENCRYPTION_SECRET=SNAPSHOT_SECRET)

    assert (code, right) == (16, 0)
    assert "AES_ENCRYPTION_SECRET" in line
    assert "of another deployment" not in line.replace("of another deployment's", "")


async def test_a_cluster_that_is_taken_for_a_server_is_16_and_names_the_setting(
    outpost: OutpostProcess, cluster: RedisStore
) -> None:
    configured(outpost, cluster)

    answers = [
        await _refused(outpost, "migrate", "list", REDIS_PORT=str(node.port), REDIS_CLUSTER_ENABLED="false")
        for node in cluster.nodes
    ]

    assert {code for code, _ in answers} == {16}
    assert all("set REDIS_CLUSTER_ENABLED=true" in line for _, line in answers)


@pytest.mark.parametrize(
    ("settings", "repair"),
    [
        ({"REDIS_CLUSTER_ENABLED": "true"}, "set REDIS_CLUSTER_ENABLED=false"),  # it is none
        ({"REDIS_DATABASE": "99"}, "set REDIS_DATABASE"),  # it has sixteen
    ],
)
async def test_a_setting_that_does_not_fit_the_server_is_16_and_named(
    outpost: OutpostProcess, legacy: RedisStore, settings: dict[str, str], repair: str
) -> None:
    code, line = await _refused(outpost, **settings)

    assert code == 16
    assert repair in line


async def test_a_file_of_authorities_that_cannot_be_read_is_64_and_named(
    outpost: OutpostProcess, legacy: RedisStore
) -> None:
    code, line = await _refused(outpost, REDIS_TLS_ENABLED="true", REDIS_TLS_CA_FILE="/nowhere/ca.pem")

    assert code == 64
    assert "REDIS_TLS_CA_FILE: /nowhere/ca.pem" in line


async def test_a_connection_that_fails_says_what_to_check(outpost: OutpostProcess, legacy: RedisStore) -> None:
    _, line = await _refused(outpost, REDIS_PORT=str(free_port()))

    assert "check REDIS_HOST, REDIS_PORT and REDIS_TLS_ENABLED" in line


@pytest.mark.parametrize("command", sorted({needed[0] for needed in NEEDED}))
async def test_each_missing_permission_ends_the_run_before_anything_is_lost(single: RedisStore, command: str) -> None:
    wanted = await undisturbed(single, a_legacy_tenant("acme", "des_1"))
    single.nodes[0].command("ACL", "SETUSER", USER, "reset", "on", f">{PASSWORD}", "~*", "+@all", f"-{command.lower()}")

    try:
        async with RedisStore(single.server, user=(USER, PASSWORD)).coordinator() as coordinator:
            with pytest.raises(Refused, match=r"(?i)permission|may not use|grant") as failure:
                await coordinator.apply(ApplyRequest())
    finally:
        single.nodes[0].command("ACL", "DELUSER", USER)

    assert isinstance(failure.value, MigrationError)
    await assert_not_applied(single)
    async with single.coordinator() as coordinator:
        await coordinator.unlock()  # who may not delete cannot release either
    await assert_converges(single, wanted)
