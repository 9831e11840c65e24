"""What the guides promise an operator of Redis, tried on the image with nothing but host, port and password."""

import json
from typing import Any

import pytest

from tests.support.image import Container, ended
from tests.support.servers.redis import RedisServer

APPLY = ("migrate", "apply", "--yes")
STEPS = ["redis/001_hash_tags", "redis/002_timestamps", "redis/003_entity"]
TENANTS = 40
CREATED = "2025-05-06T12:00:00.12+07:00"
LOCK = ".outpost:migration_lock"


def dies_at(place: str) -> dict[str, str]:
    return {"OUTPOST_MIGRATE_TESTING": "1", "OUTPOST_MIGRATE_FAILPOINT": f"{place}:1:kill"}


@pytest.fixture
def server(redis_password_server: RedisServer) -> RedisServer:
    """A Redis as release 0.5 of hookdeck/outpost left it."""
    redis_password_server.commands(
        [
            command
            for tenant in (f"t{number}" for number in range(TENANTS))
            for command in (
                ("HSET", f"tenant:{tenant}", "id", tenant, "created_at", CREATED),
                ("HSET", f"tenant:{tenant}:destinations", "des_1", '{"id":"des_1","type":"webhook","topics":["*"]}'),
                ("HSET", f"tenant:{tenant}:destination:des_1", "id", "des_1", "type", "webhook", "created_at", CREATED),
            )
        ]
    )
    return redis_password_server


@pytest.fixture
def redis(container: Container, server: RedisServer) -> Container:
    """A container that reaches it."""
    container.settings |= {
        "REDIS_HOST": server.host,
        "REDIS_PORT": str(server.port),
        "REDIS_PASSWORD": server.password,
    }
    return container


def _everything(server: RedisServer) -> dict[bytes, bytes]:
    keys = sorted(server.command("KEYS", "*"))
    return dict(zip(keys, server.commands([("DUMP", key) for key in keys]) if keys else [], strict=True))


def _states(redis: Container) -> dict[str, str]:
    document: dict[str, Any] = json.loads(redis.run("migrate", "list", "--json").out)
    return {state["id"]: state["state"] for state in document["migrations"]}


def test_host_and_password_are_all_it_needs_and_the_store_is_named_first(redis: Container) -> None:
    answer = redis.run(*APPLY)

    assert answer.code == 0, answer.err
    assert answer.out.startswith("Stores    redis ")
    assert redis.settings["REDIS_PASSWORD"] not in answer.out + answer.err
    assert _states(redis) == dict.fromkeys(STEPS, "applied")


def test_plan_changes_nothing_in_redis(redis: Container, server: RedisServer) -> None:
    before = _everything(server)

    answer = redis.run("migrate", "plan")

    assert answer.code == 0
    assert all(step in answer.out for step in STEPS)
    assert _everything(server) == before


def test_apply_creates_the_new_records_and_preserves_the_old_ones(redis: Container, server: RedisServer) -> None:
    before = _everything(server)

    redis.run(*APPLY)

    after = _everything(server)
    assert before.items() <= after.items()
    assert {f"tenant:{{t{number}}}:tenant".encode() for number in range(TENANTS)} <= after.keys()


def test_apply_ends_at_once_when_nothing_is_pending_in_redis(redis: Container, server: RedisServer) -> None:
    redis.run(*APPLY)
    before = _everything(server)

    answer = redis.run(*APPLY)

    assert answer.code == 0
    assert "Nothing to do" in answer.out
    assert _everything(server) == before


def test_verify_spot_checks_a_sample_and_finds_what_differs(redis: Container, server: RedisServer) -> None:
    redis.run(*APPLY)
    good = redis.run("migrate", "verify", "--sample", "10")
    for number in range(TENANTS):
        server.command("HSET", f"tenant:{{t{number}}}:tenant", "created_at", "1")

    bad = redis.run("migrate", "verify", "--sample", "10")

    assert (good.code, bad.code) == (0, 15), good.out


def test_only_one_instance_migrates_redis_at_a_time_and_all_end_well(redis: Container) -> None:
    answers = [ended(process) for process in [redis.start(*APPLY) for _ in range(6)]]
    runs = json.loads(redis.run("migrate", "history", "--json").out)["runs"]

    assert [answer.code for answer in answers] == [0] * 6, answers
    assert sorted(step for run in runs for step in run["migrations"]) == STEPS


def test_the_lock_in_redis_ends_after_an_hour_whatever_happens(redis: Container, server: RedisServer) -> None:
    redis.run(*APPLY, **dies_at("redis.page"))

    assert 0 < server.command("PTTL", LOCK) <= 3_600_000


def test_status_shows_the_lock_in_redis_and_unlock_yes_removes_it_after_a_crash(
    redis: Container, server: RedisServer
) -> None:
    redis.run(*APPLY, **dies_at("redis.page"))

    held = redis.run("migrate", "status")
    refused = redis.run(*APPLY, "--lock-timeout", "0")
    unlocked = redis.run("migrate", "unlock", "--yes")

    assert "held by" in held.out
    assert (refused.code, unlocked.code) == (11, 0)
    assert server.command("EXISTS", LOCK) == 0
    assert redis.run(*APPLY).code == 0


def test_partial_progress_in_redis_is_kept_and_the_next_run_goes_on(redis: Container) -> None:
    redis.run(*APPLY, **dies_at("redis.applied"))
    redis.run("migrate", "unlock", "--yes")
    states = _states(redis)

    again = redis.run(*APPLY)

    assert "applied" in states.values()
    assert set(states.values()) != {"applied"}
    assert again.code == 0
    assert _states(redis) == dict.fromkeys(STEPS, "applied")
    assert redis.run("migrate", "verify", "--full").code == 0


@pytest.mark.parametrize("source", ["file", "flags"])
def test_the_address_of_redis_comes_from_file_or_flags_as_well(
    container: Container, server: RedisServer, source: str
) -> None:
    address = {"host": server.host, "port": server.port, "password": server.password}
    (container.data / "redis.yaml").write_text(json.dumps({"redis": address}))  # JSON is YAML
    flags = [f"--redis-{name}={value}" for name, value in address.items()]

    answer = container.run(*APPLY, *(flags if source == "flags" else ["--config", str(container.data / "redis.yaml")]))

    assert answer.code == 0, answer.err
