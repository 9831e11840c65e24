"""The client against the real engine."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from outpost.clients.clickhouse import (
    AccessDenied,
    ClickHouse,
    DatabaseNotFound,
    DataRejected,
    PermissionDenied,
    ResultTooLarge,
    StatementFailed,
    TableNotFound,
    TimedOut,
    Unavailable,
    Value,
    quoted_identifier,
)
from outpost.clients.http import HttpClient
from outpost.config.clickhouse import ClickHouseSettings
from outpost.wiring.clickhouse import clickhouse_client, http_transport
from tests.support.clickhouse import PASSWORD, USER, ClickHouseDatabase, running_clickhouse
from tests.support.process import free_port

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
AWKWARD = "a\0b\tc\nd\\e'f`g\"h ü 🎉"


class Thing(msgspec.Struct):
    id: str
    size: int = 0
    at: datetime = MOMENT
    tags: list[str] = []


class One(msgspec.Struct):
    value: Any


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    async with HttpClient() as client:
        yield client


@pytest.fixture
def client(http: HttpClient, clickhouse_database: ClickHouseDatabase) -> ClickHouse:
    settings = ClickHouseSettings(
        http_url=clickhouse_database.url,
        username=clickhouse_database.user,
        password=clickhouse_database.password,
        database=clickhouse_database.database,
    )
    return clickhouse_client(settings, http)


@pytest.fixture
async def things(client: ClickHouse) -> ClickHouse:
    columns = "id String, size UInt64, at DateTime64(3), tags Array(String)"
    await client.execute(f"CREATE TABLE things ({columns}) ENGINE MergeTree ORDER BY id")
    return client


async def test_rows_come_back_as_they_went_in(things: ClickHouse) -> None:
    rows = [Thing(AWKWARD, 2**63 + 1, MOMENT, ["x", AWKWARD]), Thing("", 0, MOMENT, [])]

    await things.insert("things", rows)

    assert await things.select("SELECT * FROM things ORDER BY size DESC", row=Thing) == rows


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("String", AWKWARD),
        ("Int64", -(2**63)),
        ("Float64", 0.1),
        ("Bool", True),
        ("Nullable(String)", None),
        ("Array(String)", ["a", AWKWARD, ""]),
        ("Array(Nullable(Int64))", [1, None]),
    ],
)
async def test_a_parameter_arrives_as_it_is(client: ClickHouse, kind: str, value: Value) -> None:
    rows = await client.select(f"SELECT {{value:{kind}}} AS value", {"value": value}, row=One)

    assert rows == [One(value)]


@pytest.mark.parametrize("moment", [MOMENT, datetime(1970, 1, 1, 0, 0, 1, 5000, tzinfo=UTC)])
async def test_a_moment_does_not_depend_on_the_time_zone_of_the_server(client: ClickHouse, moment: datetime) -> None:
    rows = await client.select(
        "SELECT {value:DateTime64(3)} AS value",
        {"value": moment},
        row=One,
        settings={"session_timezone": "Asia/Tokyo"},
    )

    assert [msgspec.convert(row.value, datetime) for row in rows] == [moment]


async def test_a_table_may_have_any_name(client: ClickHouse) -> None:
    table = quoted_identifier("my-`table\\")
    await client.execute(f"CREATE TABLE {table} (value Int64) ENGINE MergeTree ORDER BY value")
    await client.insert(f"{table} (value)", [One(7)])

    assert await client.select(f"SELECT value FROM {table}", row=One) == [One(7)]


async def test_a_big_result_is_returned_whole_or_refused(client: ClickHouse) -> None:
    statement = "SELECT repeat('x', 1000) AS value FROM numbers(20000)"

    assert len(await client.select(statement, row=One)) == 20000
    with pytest.raises(ResultTooLarge):
        await client.select(statement, row=One, max_bytes=1_000_000)


async def test_a_wrong_password_is_access_denied_and_not_shown(
    http: HttpClient, clickhouse_database: ClickHouseDatabase
) -> None:
    stranger = ClickHouse(http_transport(http), url=clickhouse_database.url, user=USER, password="hunter2")

    with pytest.raises(AccessDenied) as raised:
        await stranger.execute("SELECT 1")

    assert "hunter2" not in str(raised.value) + repr(raised.value)


async def test_a_database_that_does_not_exist_is_named(
    http: HttpClient, clickhouse_database: ClickHouseDatabase
) -> None:
    lost = ClickHouse(
        http_transport(http), url=clickhouse_database.url, user=USER, password=PASSWORD, database="nowhere"
    )

    with pytest.raises(DatabaseNotFound, match="/nowhere"):
        await lost.execute("SELECT 1")


@pytest.mark.parametrize(
    ("statement", "kind", "code"),
    [
        ("SELECT * FROM nowhere", TableNotFound, 60),
        ("SELEC 1", StatementFailed, 62),
        ("SELECT throwIf(number = 5) FROM numbers(10)", StatementFailed, 395),
        ("SELECT toInt64('one')", DataRejected, 6),
        ("CREATE TABLE t (a Int8) ENGINE ReplicatedMergeTree('/a', '1') ORDER BY a", Unavailable, 225),
    ],
)
async def test_an_error_has_its_kind_and_code(
    client: ClickHouse, statement: str, kind: type[Exception], code: int
) -> None:
    with pytest.raises(kind) as raised:
        await client.execute(statement)

    assert getattr(raised.value, "code", None) == code


async def test_a_statement_that_may_not_be_run_is_denied(things: ClickHouse) -> None:
    with pytest.raises(PermissionDenied):
        await things.execute("DROP TABLE things", settings={"readonly": "1"})


async def test_a_row_that_does_not_fit_rejects_its_batch(things: ClickHouse) -> None:
    with pytest.raises(DataRejected):
        await things.insert("things", [{"id": "1", "size": 1}, {"id": "2", "size": "many"}])

    assert await things.select("SELECT id FROM things", row=Thing) == []


async def test_a_statement_that_takes_too_long_is_given_up(client: ClickHouse) -> None:
    with pytest.raises(TimedOut):
        await client.execute("SELECT sleep(3)", seconds=0.05)
    with pytest.raises(TimedOut):
        await client.execute("SELECT count() FROM numbers(1e15)", settings={"max_execution_time": "1"})


async def test_a_server_that_is_not_there_is_unavailable(http: HttpClient) -> None:
    port = free_port()
    absent = ClickHouse(http_transport(http), url=f"http://127.0.0.1:{port}")

    with pytest.raises(Unavailable, match=rf"http://127\.0\.0\.1:{port}: unavailable: the connection was refused"):
        await absent.execute("SELECT 1")


async def test_a_server_killed_during_a_statement_is_unavailable_until_it_is_back(http: HttpClient) -> None:
    with running_clickhouse() as server:
        client = ClickHouse(http_transport(http), url=server.url, user=USER, password=PASSWORD)
        statement = "SELECT count() FROM numbers(1e15)"
        counting = asyncio.create_task(client.execute(statement))
        running = "SELECT count() AS value FROM system.processes WHERE query = {statement:String}"
        while await client.select(running, {"statement": statement}, row=One) != [One(1)]:
            pass
        server.kill()

        with pytest.raises(Unavailable):
            await counting
        with pytest.raises(Unavailable):
            await client.execute("SELECT 1")
        server.start()

        await client.execute("SELECT 1")
