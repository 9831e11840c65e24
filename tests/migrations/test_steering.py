"""`outpost migrate pause`, `resume` and `throttle`, typed as a person would, at a real store whose lock a run holds."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from outpost.migrations.lease import HeldLeases, acquired
from outpost.migrations.line import Line
from outpost.migrations.owner import this_process
from outpost.migrations.sql.sqlite.dialect import sqlite_line
from outpost.migrations.steering import Steering
from tests.migrations.postgres.databases import PostgresDatabase
from tests.support.leases import QUICK
from tests.support.process import OutpostProcess
from tests.support.redis_store import RedisStore


class _Former(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of the version before reads in a store."""

    paused: bool = False
    max_latency_ms: float | None = None


class _FormerInRedis(msgspec.Struct, frozen=True):
    token: str
    steering: _Former


@dataclass
class _Steered:
    """A run that holds the lock and hears what is asked of it, and the program that asks.

    Attributes:
        former: Reads in the store what is asked, as the version before does.
    """

    held: HeldLeases
    outpost: OutpostProcess
    former: Callable[[], Awaitable[_Former]]

    async def type(self, *arguments: str) -> str:
        code, out, err = await self.outpost.run("migrate", *arguments)
        assert code == 0, out + err
        return out

    async def heard(self) -> Steering:
        await self.held.confirm()
        return self.held.steering


@pytest.fixture(params=["sqlite", "postgres", "redis"])
async def steered(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[_Steered]:
    async with AsyncExitStack() as stack:
        line, stores, former = _store(request, tmp_path)
        stack.push_async_callback(line.close)
        outpost = await stack.enter_async_context(OutpostProcess(tmp_path, stores=stores))
        lease = line.lease
        assert lease is not None
        held = await stack.enter_async_context(
            acquired([lease], this_process(), lock_seconds=0, waiting=lambda _: None, timings=_TIMINGS)
        )
        yield _Steered(held, outpost, former)


_TIMINGS = msgspec.structs.replace(QUICK, heartbeat=5.0, quiet=60.0)  # `confirm` sends the heartbeats that count here


def _store(
    request: pytest.FixtureRequest, folder: Path
) -> tuple[Line, dict[str, str], Callable[[], Awaitable[_Former]]]:
    """Return a line of the wanted store, the settings that name it, and how the version before reads it."""
    match request.param:
        case "sqlite":
            path = folder / "outpost.db"

            async def in_sqlite() -> _Former:
                with closing(sqlite3.connect(path)) as connection:
                    (text,) = connection.execute("SELECT steering FROM outpost_migration_lease").fetchone()
                return msgspec.json.decode(text, type=_Former)

            return sqlite_line(path), {"SQLITE_PATH": str(path)}, in_sqlite
        case "postgres":
            database = PostgresDatabase(request.getfixturevalue("postgres_url"))

            async def in_postgres() -> _Former:
                text = await database.value("SELECT steering FROM outpost_migration_lease")
                return msgspec.json.decode(text, type=_Former)

            return database.line(), {"POSTGRES_URL": database.url}, in_postgres
        case _:
            store = RedisStore(request.getfixturevalue("redis_server"))

            async def in_redis() -> _Former:
                text = store.command("GET", "outpost:migrate:steering")
                return msgspec.json.decode(text, type=_FormerInRedis).steering

            node = store.nodes[0]
            return store.line(), {"REDIS_HOST": node.host, "REDIS_PORT": str(node.port)}, in_redis


def _asked(document: str) -> Any:
    (line,) = json.loads(document)["lines"]
    return line["holder"]["steering"]


async def test_a_throttle_does_not_end_a_pause_and_a_resume_does_not_end_a_throttle(steered: _Steered) -> None:
    await steered.type("pause")
    throttled = await steered.type("throttle", "--max-latency", "2ms")
    both, status, document = await steered.heard(), await steered.type("status"), await steered.type("status", "--json")
    resumed = await steered.type("resume")

    assert "is paused, with a latency budget of 2 ms." in throttled
    assert _wishes(both) == (True, 2)
    assert f"Asked     {_store_of(document)}: paused, with a latency budget of 2 ms" in status.splitlines()
    assert _asked(document) == {
        "paused": True,
        "max_latency_ms": 2.0,
        "paused_by": both.paused_by,
        "paused_at": f"{both.paused_at:%Y-%m-%dT%H:%M:%S.%fZ}",
    }
    assert "is not paused, with a latency budget of 2 ms." in resumed
    assert await steered.heard() == Steering(max_latency_ms=2)


async def test_a_throttle_ends_by_itself_and_leaves_the_pause(steered: _Steered) -> None:
    await steered.type("pause")
    await steered.type("throttle", "--max-latency", "2ms")

    answer = json.loads(await steered.type("throttle", "--off", "--json"))

    assert (answer["heard"], answer["steering"]["paused"], answer["steering"]["max_latency_ms"]) == (True, True, None)
    assert _wishes(await steered.heard()) == (True, None)


async def test_who_has_paused_a_run_and_when_is_shown_until_it_is_resumed(steered: _Steered) -> None:
    began = datetime.now(UTC).replace(microsecond=0)
    await steered.type("pause")
    pause, status = await steered.heard(), await steered.type("status")
    await steered.type("resume")
    resumed, afterwards = await steered.heard(), await steered.type("status")

    assert pause.paused_at is not None
    assert began <= pause.paused_at <= datetime.now(UTC)
    assert pause.paused_by == f"{this_process().user}@{this_process().host}"
    (row,) = [row for row in status.splitlines() if row.startswith("Paused ")]
    assert f": paused since {pause.paused_at:%Y-%m-%d %H:%M:%SZ} by {pause.paused_by}; " in row
    assert row.endswith("to go on, run: outpost migrate resume")
    assert resumed == Steering()
    assert "Paused" not in afterwards
    assert "Asked" not in afterwards


async def test_two_operators_at_once_do_not_undo_each_other(steered: _Steered) -> None:
    await asyncio.gather(steered.type("pause"), steered.type("throttle", "--max-latency", "2ms"))
    first = await steered.heard()
    await asyncio.gather(steered.type("resume"), steered.type("throttle", "--max-latency", "3ms"))

    assert _wishes(first) == (True, 2)
    assert await steered.heard() == Steering(max_latency_ms=3)


async def test_a_run_of_the_version_before_reads_what_is_asked(steered: _Steered) -> None:
    await steered.type("pause")
    await steered.type("throttle", "--max-latency", "2.5ms")

    assert await steered.former() == _Former(paused=True, max_latency_ms=2.5)


async def test_no_budget_and_two_at_once_are_wrong_usage(tmp_path: Path) -> None:
    async with OutpostProcess(tmp_path) as outpost:
        for arguments in ([], ["--off", "--max-latency", "2ms"]):
            code, *_ = await outpost.run("migrate", "throttle", *arguments)

            assert code == 64, arguments


def _wishes(steering: Steering) -> tuple[bool, float | None]:
    return steering.paused, steering.max_latency_ms


def _store_of(document: str) -> str:
    (line,) = json.loads(document)["lines"]
    return str(line["line"])
