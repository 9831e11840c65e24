"""A database for each test."""

import pytest

from tests.migrations.postgres.databases import PostgresDatabase


@pytest.fixture
def database(postgres_url: str) -> PostgresDatabase:
    return PostgresDatabase(postgres_url)
