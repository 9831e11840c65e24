"""Addresses of ClickHouse that no client can be made of."""

import pytest

from outpost.clients.http import HttpClient
from outpost.config.clickhouse import ClickHouseSettings
from outpost.domain.errors import ConfigurationError
from outpost.wiring.clickhouse import clickhouse_client


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (ClickHouseSettings(addr="ch:native"), r"the port in the URL must be .* \(from CLICKHOUSE_ADDR ch:native"),
        (ClickHouseSettings(http_url="http://"), r"the URL names no host \(from CLICKHOUSE_HTTP_URL\)"),
    ],
)
async def test_an_address_that_cannot_be_read_is_refused_by_name(settings: ClickHouseSettings, said: str) -> None:
    async with HttpClient() as http:
        with pytest.raises(ConfigurationError, match=said):
            clickhouse_client(settings, http)
