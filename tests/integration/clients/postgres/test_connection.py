"""One connection to a real server, and what is said when there is none."""

import asyncio
import subprocess
import sys

import pytest

from outpost.clients.postgres import (
    AccessDenied,
    ConstraintViolated,
    DatabaseNotFound,
    DataRejected,
    PermissionDenied,
    StatementFailed,
    Target,
    TimedOut,
    TransactionAborted,
    Unavailable,
    connect,
)
from tests.support.postgres import PASSWORD, PostgresServer, running_postgres
from tests.support.process import free_port


@pytest.fixture
def target(postgres_url: str) -> Target:
    return Target.parse(postgres_url)


async def test_a_session_carries_the_name_of_the_application(target: Target) -> None:
    async with connect(target, application="outpost") as connection:
        assert await connection.fetchval("SHOW application_name") == "outpost"


async def test_pairs_connect_as_a_url_does(target: Target) -> None:
    pairs = (
        f"host=127.0.0.1 port={target.ports[0]} user={target.user} password='{PASSWORD}' dbname={target.database} "
        "pool_max_conns=3 search_path=elsewhere application_name=mine"
    )

    async with connect(Target.parse(pairs), application="outpost") as connection:
        assert await connection.fetchval("SHOW search_path") == "elsewhere"
        assert await connection.fetchval("SHOW application_name") == "mine"


async def test_the_first_host_that_answers_is_used(target: Target) -> None:
    url = f"postgres://127.0.0.1:{free_port()},127.0.0.1:{target.ports[0]}/{target.database}"
    both = Target.parse(f"{url}?user={target.user}&password=p%40ss%2Fw%3Ard%25")

    async with connect(both, application="outpost") as connection:
        assert await connection.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("keeps_statements", [True, False])
async def test_statements_are_kept_only_where_that_is_safe(postgres_url: str, keeps_statements: bool) -> None:
    url = postgres_url if keeps_statements else postgres_url + "&default_query_exec_mode=exec"

    async with connect(Target.parse(url), application="outpost") as connection:
        await connection.fetchval("SELECT $1::int", 1)

        assert bool(await connection.fetchval("SELECT count(*) FROM pg_prepared_statements")) is keeps_statements


async def test_a_big_result_is_streamed(target: Target) -> None:
    async with connect(target, application="outpost") as connection, connection.transaction():
        total = 0
        async for row in connection.cursor(
            "SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) n", prefetch=500
        ):
            total += row[0]

    assert total == 20000 * 20001 // 2


async def test_a_wrong_password_is_access_denied_and_not_shown(postgres: PostgresServer) -> None:
    target = Target.parse(postgres.url().replace("p%40ss", "hunter2"))

    with pytest.raises(AccessDenied) as raised:
        async with connect(target, application="outpost"):
            pass

    assert "hunter2" not in str(raised.value) + repr(raised.value)
    assert raised.value.__cause__ is None


async def test_a_database_that_does_not_exist_is_named(postgres: PostgresServer) -> None:
    with pytest.raises(DatabaseNotFound, match="/nowhere"):
        async with connect(Target.parse(postgres.url("nowhere")), application="outpost"):
            pass


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    port = free_port()

    with pytest.raises(Unavailable, match=rf"127\.0\.0\.1:{port}/outpost: unavailable: connection refused"):
        async with connect(Target.parse(f"postgres://127.0.0.1:{port}/outpost"), application="outpost"):
            pass


async def test_a_name_without_an_address_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"nowhere\.invalid:5432/outpost: unavailable: [a-z]"):
        async with connect(Target.parse("postgres://nowhere.invalid/outpost"), application="outpost"):
            pass


async def test_a_file_for_tls_that_is_missing_is_told_in_words() -> None:
    target = Target.parse("postgres://127.0.0.1:1/outpost?sslmode=verify-full&sslrootcert=/no/such/file")

    with pytest.raises(Unavailable, match="unavailable: no such file or directory"):
        async with connect(target, application="outpost"):
            pass


async def test_a_server_that_never_answers_is_given_up() -> None:
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TimedOut):
            async with connect(Target.parse(f"postgres://127.0.0.1:{port}/x?connect_timeout=1"), application="outpost"):
                pass
        for writer in held:
            writer.close()


async def test_a_server_without_tls_is_refused_where_tls_is_required(postgres: PostgresServer) -> None:
    target = Target.parse(postgres.url().replace("sslmode=disable", "sslmode=require"))

    with pytest.raises(Unavailable, match="SSL"):
        async with connect(target, application="outpost"):
            pass


async def test_a_server_killed_during_a_statement_is_unavailable() -> None:
    with running_postgres() as server:
        async with connect(Target.parse(server.url()), application="outpost") as watcher:
            running = asyncio.create_task(_sleep(server))
            while not await watcher.fetchval("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sl%'"):
                pass
            server.kill()

            with pytest.raises(Unavailable):
                await running
            with pytest.raises(Unavailable):
                async with connect(Target.parse(server.url()), application="outpost"):
                    pass


async def _sleep(server: PostgresServer) -> None:
    async with connect(Target.parse(server.url()), application="outpost") as connection:
        await connection.execute("SELECT pg_sleep(60)")


async def test_a_statement_that_takes_too_long_is_given_up(target: Target) -> None:
    with pytest.raises(TimedOut):
        async with connect(target, application="outpost", command_timeout=0.05) as connection:
            await connection.execute("SELECT pg_sleep(60)")


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("SELECT $1::text", "a\0b"),
        ("SELECT $1::jsonb", r'{"a": "\u0000"}'),
        ("SELECT $1::int", 2**40),
        ("SELECT $1::int", "one"),
    ],
)
async def test_a_value_that_cannot_be_stored_is_rejected(target: Target, statement: str, value: object) -> None:
    async with connect(target, application="outpost") as connection:
        with pytest.raises(DataRejected) as raised:
            await _run(target, statement, value)

        assert repr(value) not in f"{raised.value} {raised.value!r}"
        assert await connection.fetchval("SELECT 1") == 1


async def _run(target: Target, statement: str, *values: object) -> None:
    async with connect(target, application="outpost") as connection:
        await connection.execute(statement, *values)


async def test_a_taken_key_violates_its_constraint_without_showing_the_row(target: Target) -> None:
    with pytest.raises(ConstraintViolated) as raised:
        await _run(target, "CREATE TABLE t (id text PRIMARY KEY); INSERT INTO t VALUES ('private'), ('private')")

    assert raised.value.sqlstate == "23505"
    assert "private" not in str(raised.value)


async def test_a_user_without_the_right_is_told_so(target: Target) -> None:
    with pytest.raises(PermissionDenied):
        await _run(target, "SET ROLE pg_monitor; CREATE TABLE t ()")


async def test_a_wrong_statement_says_where(target: Target) -> None:
    with pytest.raises(StatementFailed, match=r"syntax error at or near .SELEC. \[42601\]") as raised:
        await _run(target, "SELECT 1; SELEC 2")

    assert raised.value.position == 11


async def test_a_lock_that_is_not_given_in_time_aborts_the_transaction(target: Target) -> None:
    async with connect(target, application="outpost") as holder:
        await holder.execute("CREATE TABLE t ()")
        async with holder.transaction():
            await holder.execute("LOCK TABLE t")
            with pytest.raises(TransactionAborted):
                await _run(target, "SET lock_timeout = 10; SELECT * FROM t")


async def test_an_error_of_the_program_itself_passes_as_it_is(target: Target) -> None:
    with pytest.raises(FileNotFoundError):
        async with connect(target, application="outpost"):
            raise FileNotFoundError


def test_asyncpg_is_imported_only_when_something_connects() -> None:
    check = "import sys, outpost.clients.postgres; print('asyncpg' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", check], capture_output=True, text=True).stdout == "False\n"
