from collections.abc import AsyncIterator

import pytest

from tests.support.clickhouse import ClickHouseDatabase
from tests.support.clickhouse_line import LineUnderTest, line_under_test


@pytest.fixture
async def line(clickhouse_database: ClickHouseDatabase) -> AsyncIterator[LineUnderTest]:
    """The line of a deployment without id in a database of its own."""
    async with line_under_test(clickhouse_database) as line:
        yield line
