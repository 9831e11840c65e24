"""The ClickHouse that tests ask for keeps the HTTP interface's rules, and each test has its own database."""

import gzip
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.support.clickhouse import ClickHouseDatabase, ClickHouseServer, running_clickhouse
from tests.support.http import Answer, call


class Client:
    """Sends statements to one database."""

    def __init__(self, database: ClickHouseDatabase) -> None:
        self.port = urlsplit(database.url).port or 0
        self.identity = {"X-ClickHouse-User": database.user, "X-ClickHouse-Key": database.password}
        self.database = database.database

    async def send(self, statement: str, body: bytes = b"", *, headers: Any = None, **asked: str) -> Answer:
        path = "/?" + urlencode({"database": self.database, "query": statement, **asked})
        return await call(self.port, "POST", path, raw=body, headers={**self.identity, **(headers or {})})


@pytest.fixture
def client(clickhouse_database: ClickHouseDatabase) -> Client:
    return Client(clickhouse_database)


@pytest.fixture
async def things(client: Client) -> Client:
    await client.send("CREATE TABLE things (id Int64, name String) ENGINE = MergeTree ORDER BY id")
    return client


async def test_it_answers_ping(client: Client) -> None:
    assert (await call(client.port, "GET", "/ping")).body == b"Ok.\n"


async def test_rows_are_inserted_from_the_body_and_selected_by_parameter(things: Client) -> None:
    inserted = await things.send("INSERT INTO things FORMAT JSONEachRow", b'{"id":1,"name":"a\\u0000b"}\n{"id":2}')
    selected = await things.send(
        "SELECT * FROM things WHERE id = {id:Int64}", default_format="JSONEachRow", param_id="1"
    )

    assert json.loads(inserted.headers["x-clickhouse-summary"])["written_rows"] == "2"
    assert selected.json() == {"id": 1, "name": "a\0b"}


async def test_the_format_may_come_as_a_header_or_in_the_statement(client: Client) -> None:
    by_header = await client.send("SELECT 1 AS one", headers={"X-ClickHouse-Format": "JSONEachRow"})
    in_statement = await client.send("SELECT 1 AS one FORMAT CSVWithNames", default_format="JSONEachRow")

    assert by_header.json() == {"one": 1}
    assert in_statement.body == b'"one"\n1\n'


async def test_a_body_may_be_compressed(things: Client) -> None:
    body = gzip.compress(b"1\tone\n")
    await things.send("INSERT INTO things FORMAT TSV", body, headers={"Content-Encoding": "gzip"})
    selected = await things.send(
        "SELECT * FROM things", headers={"Accept-Encoding": "gzip"}, enable_http_compression="1"
    )

    assert gzip.decompress(selected.body) == b"1\tone\n"


async def test_a_body_may_come_in_chunks(things: Client) -> None:
    chunks = b"3\r\n1\to\r\n3\r\nne\n\r\n0\r\n\r\n"
    headers = {"Transfer-Encoding": "chunked"}
    await things.send("INSERT INTO things FORMAT TSV", chunks, headers=headers)

    assert (await things.send("SELECT * FROM things")).body == b"1\tone\n"


async def test_an_error_carries_the_code_of_the_engine(client: Client) -> None:
    unknown_table = await client.send("SELECT * FROM nowhere")
    not_a_statement = await client.send("SELEC 1")

    assert (unknown_table.status, unknown_table.headers["x-clickhouse-exception-code"]) == (404, "60")
    assert unknown_table.body.startswith(b"Code: 60. DB::Exception: ")
    assert (not_a_statement.status, not_a_statement.headers["x-clickhouse-exception-code"]) == (400, "62")


async def test_a_setting_holds_for_its_request_only(client: Client) -> None:
    limited = await client.send("SELECT * FROM numbers(10)", max_result_rows="1")
    unlimited = await client.send("SELECT count() FROM numbers(10)")

    assert limited.headers["x-clickhouse-exception-code"] == "396"
    assert unlimited.body == b"10\n"


async def test_the_password_is_asked_for(client: Client) -> None:
    wrong = await client.send("SELECT 1", headers={"X-ClickHouse-Key": "wrong"})

    assert (wrong.status, wrong.headers["x-clickhouse-exception-code"]) == (403, "516")


async def test_a_test_starts_with_an_empty_database(things: Client, clickhouse: ClickHouseServer) -> None:
    with clickhouse.fresh_database() as other:
        tables = await Client(other).send("SHOW TABLES")

    assert tables.body == b""


async def test_an_acknowledged_row_survives_a_kill() -> None:
    with running_clickhouse() as server:
        server.execute("CREATE TABLE default.things (id Int64) ENGINE = MergeTree ORDER BY id")
        server.execute("INSERT INTO default.things VALUES (1)")
        server.kill()
        server.start()

        assert server.execute("SELECT id FROM default.things") == "1\n"
