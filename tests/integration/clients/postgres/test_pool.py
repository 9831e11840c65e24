"""Connections that are shared."""

import asyncio
from collections.abc import Callable

import pytest

from outpost.clients.postgres import Pool, StatementFailed, Target, TimedOut, Unavailable
from tests.support.postgres import running_postgres


async def test_no_more_connections_are_opened_than_the_url_allows(postgres_url: str) -> None:
    async with Pool(Target.parse(f"{postgres_url}&pool_max_conns=2"), application="outpost") as pool:

        async def use() -> int:
            async with pool.connection() as connection:
                return await connection.fetchval("SELECT pg_backend_pid()")

        assert len(set(await asyncio.gather(*(use() for _ in range(20))))) <= 2


async def test_a_pool_that_is_used_up_times_out(postgres_url: str) -> None:
    pool = Pool(Target.parse(postgres_url), application="outpost", max_connections=1, acquire_timeout=2.0)
    async with pool, pool.connection():
        with pytest.raises(TimedOut):
            async with pool.connection():
                pass


async def test_a_pool_opens_without_a_server_and_recovers_when_it_is_back() -> None:
    with running_postgres() as server:
        server.stop()
        async with Pool(Target.parse(server.url()), application="outpost") as pool:
            with pytest.raises(Unavailable):
                await _use(pool)
            server.start()
            assert await _use(pool) == 1

            with pytest.raises(Unavailable):
                await _use(pool, server.kill)
            server.start()

            assert await _use(pool) == 1


async def test_a_transaction_ends_with_its_block(postgres_url: str) -> None:
    async with Pool(Target.parse(postgres_url), application="outpost", max_connections=1) as pool:
        async with pool.connection() as connection:
            await connection.execute("CREATE TABLE t ()")
        with pytest.raises(StatementFailed):
            await _run_both(pool, "DROP TABLE t", "nonsense")

        async with pool.connection() as connection:
            assert await connection.fetchval("SELECT count(*) FROM t") == 0
        with pytest.raises(StatementFailed, match="can only be used in transaction blocks"):
            async with pool.connection() as connection:
                await connection.execute("SAVEPOINT s")


async def test_a_closed_pool_lends_nothing(postgres_url: str) -> None:
    pool = Pool(Target.parse(postgres_url), application="outpost")

    with pytest.raises(RuntimeError, match="not open"):
        async with pool.connection():
            pass


async def _run_both(pool: Pool, first: str, second: str) -> None:
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(first)
        await connection.execute(second)


async def _use(pool: Pool, meanwhile: Callable[[], None] = lambda: None) -> int:
    async with pool.connection() as connection:
        meanwhile()
        return await connection.fetchval("SELECT 1")
