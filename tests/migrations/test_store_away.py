"""`outpost migrate` with one of two stores out of reach: what is known is shown, and nothing is changed."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.migrations.postgres.databases import PostgresDatabase
from tests.support.process import OutpostProcess
from tests.support.redis_store import RedisStore
from tests.support.servers import free_port


@pytest.fixture(params=["postgres", "redis"])
def away(request: pytest.FixtureRequest) -> str:
    """The store that nobody can reach."""
    return request.param


@pytest.fixture
def there(away: str) -> str:
    """The store that answers."""
    return "redis" if away == "postgres" else "postgres"


@pytest.fixture
async def outpost(request: pytest.FixtureRequest, tmp_path: Path, away: str) -> AsyncIterator[OutpostProcess]:
    silent = free_port()
    if away == "redis":
        url: str = request.getfixturevalue("postgres_url")
        await PostgresDatabase(url).apply(3)
        stores = {"POSTGRES_URL": url, "REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(silent)}
    else:
        redis = RedisStore(request.getfixturevalue("redis_server")).nodes[0]
        url = f"postgres://me:hunter2@127.0.0.1:{silent}/outpost"
        stores = {"POSTGRES_URL": url, "REDIS_HOST": redis.host, "REDIS_PORT": str(redis.port)}
    async with OutpostProcess(tmp_path, stores=stores) as outpost:
        yield outpost


async def test_the_status_shows_the_store_that_answers_and_says_what_failed_at_the_other(
    outpost: OutpostProcess, away: str, there: str
) -> None:
    code, out, err = await outpost.run("migrate", "status", "--exit-code")

    rows = {row.split()[0]: row for row in out.splitlines()[1:]}
    assert code == 17
    assert " applied " in rows[there]
    assert " cannot be read " in rows[away]
    assert "Lock      not held in a store that can be read" in out
    assert err.startswith("Error: ")
    assert "check " + ("REDIS_HOST" if away == "redis" else "POSTGRES_URL") in err
    assert len(err.splitlines()) == 1


async def test_the_doctor_examines_the_store_that_answers_and_finds_the_other_wrong(
    outpost: OutpostProcess, away: str, there: str
) -> None:
    code, out, err = await outpost.run("migrate", "doctor")

    assert (code, err) == (17, "")
    assert f"WRONG    {away}: can be read" in out
    assert any(row.startswith(f"  ok       {there}") for row in out.splitlines())
    assert "1 of " in out.splitlines()[-1]


async def test_the_list_has_the_migrations_of_the_store_that_answers(
    outpost: OutpostProcess, away: str, there: str
) -> None:
    code, out, err = await outpost.run("migrate", "list")

    assert code == 17
    assert f" {there}/000" in out or f" {there}/001" in out
    assert f" {away}/0" not in out
    assert f"{away:<9} cannot be read" in out
    assert err.startswith("Error: ")


@pytest.mark.parametrize("command", ["status", "list", "doctor"])
async def test_json_holds_what_is_known_and_the_failure(
    outpost: OutpostProcess, away: str, there: str, command: str
) -> None:
    code, out, _ = await outpost.run("migrate", command, "--json")

    document = json.loads(out)
    known = {"status": "lines", "list": "migrations", "doctor": "checks"}[command]
    assert code == 17
    assert document["ok"] is False
    assert there in json.dumps(document[known])
    assert [(each["line"], each["code"]) for each in document["failures"]] == [(away, "migration_store_unreachable")]
    assert "hunter2" not in out


async def test_nothing_is_planned_or_applied_and_no_lock_is_revoked(outpost: OutpostProcess, there: str) -> None:
    for arguments in (["plan"], ["apply", "--yes"], ["unlock", "--yes"]):
        code, out, err = await outpost.run("migrate", *arguments)

        assert code == 17, arguments
        assert len(out.splitlines()) == 1
        assert err.startswith("Error: ")


async def test_the_lock_of_the_store_that_answers_can_be_revoked_alone(outpost: OutpostProcess, there: str) -> None:
    code, out, err = await outpost.run("migrate", "unlock", "--yes", "--store", there)

    assert (code, err) == (0, "")
    assert "No lock was held" in out
