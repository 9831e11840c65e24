"""One process whose log store is ClickHouse."""

from pathlib import Path

import pytest

from tests.support.clickhouse import ClickHouseDatabase
from tests.support.distributed import Stores, running_fleet
from tests.support.receiver import Receiver


@pytest.fixture
def stores_with_clickhouse(stores: Stores, clickhouse_database: ClickHouseDatabase) -> Stores:
    """Postgres is left out; where both are configured, ClickHouse is the log store."""
    del stores.settings["POSTGRES_URL"]
    stores.settings |= clickhouse_database.settings | {"CLICKHOUSE_LOG_RETENTION_TTL_DAYS": "30"}
    return stores


async def test_an_event_is_delivered_logged_and_retried_over_clickhouse(
    stores_with_clickhouse: Stores, tmp_path: Path
) -> None:
    settings = {"TOPICS": "user.created", "RETRY_SCHEDULE": "1"}
    async with Receiver() as receiver, running_fleet(stores_with_clickhouse, tmp_path, ("all",), **settings) as fleet:
        receiver.answer("/failing", 500)
        destination = await fleet.api.destination("acme", receiver.url("/failing"))

        published = [await fleet.publish("acme", data={"n": number}) for number in range(20)]

        for event in published:
            found = await fleet.attempts(event["id"], 2)
            assert [attempt["attempt_number"] for attempt in found] == [1, 2]
        stored = (await fleet.api.api("GET", f"/events/{published[7]['id']}")).json()
        assert (stored["data"], stored["matched_destination_ids"]) == ({"n": 7}, [destination])
        assert await fleet.retry(published[7]["id"], destination) == 202
        assert [attempt["manual"] for attempt in await fleet.attempts(published[7]["id"], 3)] == [False, False, True]
        assert stores_with_clickhouse.redis("GET", "outpost:log_retention_ttl") == b"30"
