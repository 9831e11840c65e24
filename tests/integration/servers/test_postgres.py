"""The Postgres that tests ask for is a real one, with a password, and each test has its own database."""

from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.support.postgres import PostgresServer, running_postgres


async def test_a_test_starts_with_an_empty_database(postgres_url: str, postgres: PostgresServer) -> None:
    with postgres.fresh_database() as other_url:
        await _execute(other_url, "CREATE TABLE things ()")

        assert await _execute(postgres_url, "SELECT to_regclass('things')") is None
        assert urlsplit(other_url).path != urlsplit(postgres_url).path


async def test_the_password_is_asked_for(postgres_url: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres_url, password="wrong")


async def test_what_was_committed_survives_a_kill() -> None:
    with running_postgres() as server:
        await _execute(server.url(), "CREATE TABLE things ()")
        server.kill()
        server.start()

        assert await _execute(server.url(), "SELECT to_regclass('things')::text") == "things"


async def _execute(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()
