"""What the guides promise an operator of SQL and Redis together, tried on the image as an operator would."""

import json
import re

import pytest

from tests.migrations.postgres.databases import PostgresDatabase
from tests.support.image import SECRETS, Container
from tests.support.servers.redis import RedisServer

APPLY = ("migrate", "apply", "--yes")
BROKER = {"RABBITMQ_SERVER_URL": "amqp://127.0.0.1:1"}  # never reached: the server refuses before
TIME = "2025-05-06T12:00:00Z"


@pytest.fixture
async def database(postgres_url: str) -> PostgresDatabase:
    """A Postgres as release 0.5 of hookdeck/outpost left it, with a delivery whose event was deleted."""
    database = PostgresDatabase(postgres_url)
    await database.load("v0.5.1")
    await database.execute(
        "INSERT INTO deliveries VALUES ('lost', 'no such event', 'des', 'failed', '2025-01-01', '500', '{\"a\": 1}')"
    )
    return database


@pytest.fixture
def both(container: Container, database: PostgresDatabase, redis_password_server: RedisServer) -> Container:
    """A container that reaches that Postgres, and a Redis of the same age."""
    server = redis_password_server
    server.command("HSET", "tenant:acme", "id", "acme", "created_at", TIME)
    container.settings |= {
        "POSTGRES_URL": database.url,
        "REDIS_HOST": server.host,
        "REDIS_PORT": str(server.port),
        "REDIS_PASSWORD": server.password,
    }
    return container


async def test_one_command_migrates_both_and_names_them_first(both: Container) -> None:
    answer = both.run(*APPLY)

    first = answer.out.splitlines()[0]
    assert answer.code == 0, answer.err
    assert re.match(r"Stores    postgres .*redis ", first), first
    assert both.settings["REDIS_PASSWORD"] not in answer.out + answer.err
    assert both.settings["POSTGRES_URL"] not in answer.out + answer.err


async def test_sql_is_migrated_first_and_then_redis(both: Container) -> None:
    planned = json.loads(both.run("migrate", "plan", "--json").out)

    answer = both.run(*APPLY, "--events", "-", "--json")

    events = [json.loads(line) for line in answer.out.splitlines() if '"event":' in line]
    applied = [f"{event['store']}/{event['migration']}" for event in events if event["event"] == "step_applied"]
    stores = [name.partition("/")[0] for name in applied]
    assert answer.code == 0, answer.err
    assert stores == ["postgres"] * stores.count("postgres") + ["redis"] * 3
    assert stores.count("postgres") > 0
    assert [step["id"].partition("/")[0] for step in planned["steps"]] == stores


async def test_redis_waits_while_sql_fails_and_what_sql_has_done_is_kept(both: Container) -> None:
    failing = {"OUTPOST_MIGRATE_TESTING": "1", "OUTPOST_MIGRATE_FAILPOINT": "postgres.before_commit:3:raise"}

    failed = both.run(*APPLY, **failing)
    states = {
        state["id"]: state["state"] for state in json.loads(both.run("migrate", "list", "--json").out)["migrations"]
    }

    assert failed.code == 13, failed.err
    assert {state for name, state in states.items() if name.startswith("redis/")} == {"pending"}
    assert both.run(*APPLY).code == 0
    assert both.run("migrate", "verify", "--full").code == 0


async def test_sql_goes_through_while_redis_fails_and_is_not_done_again(both: Container) -> None:
    failing = {"OUTPOST_MIGRATE_TESTING": "1", "OUTPOST_MIGRATE_FAILPOINT": "redis.complete:1:raise"}

    failed = both.run(*APPLY, **failing)
    again = both.run("migrate", "plan", "--json")

    assert failed.code == 13, failed.err
    assert [step["id"].partition("/")[0] for step in json.loads(again.out)["steps"]] == ["redis"] * 3
    assert both.run(*APPLY).code == 0


async def test_old_sql_data_is_kept_until_cleanup(both: Container, database: PostgresDatabase) -> None:
    kept = "SELECT count(*) FROM outpost_kept_orphan_deliveries WHERE id = 'lost'"
    tables = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'outpost_kept_%'"
    both.run(*APPLY)

    planned = both.run("migrate", "cleanup", "--plan")
    refused = both.run("migrate", "cleanup", "--yes")
    left = await database.value(kept)
    both.run("migrate", "verify", "--full")
    cleaned = both.run("migrate", "cleanup", "--yes", "--force")

    assert "outpost_kept_orphan_deliveries" in planned.out
    assert refused.code == 16
    assert left == 1
    assert cleaned.code == 0, cleaned.err
    assert await database.value(tables) == 0


async def test_the_server_refuses_and_names_what_is_pending_in_both(both: Container) -> None:
    answer = both.run("serve", **SECRETS, **BROKER)

    assert answer.code == 10, answer.err
    assert "postgres/" in answer.err
    assert "redis/001_hash_tags" in answer.err
    assert answer.err.rstrip().endswith("outpost migrate apply")


async def test_the_server_refuses_while_only_one_of_them_is_migrated(both: Container) -> None:
    both.run(*APPLY, "--sql-only")

    answer = both.run("serve", **SECRETS, **BROKER)

    assert answer.code == 10, answer.err
    assert "postgres/" not in answer.err
    assert "redis/001_hash_tags" in answer.err


async def test_status_shows_the_lock_in_both_and_unlock_removes_both(both: Container) -> None:
    dying = {"OUTPOST_MIGRATE_TESTING": "1", "OUTPOST_MIGRATE_FAILPOINT": "redis.page:1:kill"}
    both.run(*APPLY, **dying)

    held = json.loads(both.run("migrate", "status", "--json").out)["lines"]
    unlocked = both.run("migrate", "unlock", "--yes")
    free = json.loads(both.run("migrate", "status", "--json").out)["lines"]

    assert [bool(line["holder"]) for line in held] == [True, True]
    assert unlocked.code == 0
    assert [line.get("holder") for line in free] == [None, None]
    assert both.run(*APPLY, "--lock-timeout", "0").code == 0
