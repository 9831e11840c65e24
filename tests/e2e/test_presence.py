"""A server of the distributed profile is seen by the migration tool for as long as it lives."""

import asyncio
from pathlib import Path

from outpost.migrations.redis.catalogue import READER
from outpost.migrations.redis.keys import ToolKeys
from tests.support.process import running_outpost
from tests.support.servers.redis import RedisServer

KEY = ToolKeys("dp_001:").presence


async def test_a_server_is_present_from_its_start_to_its_end(
    tmp_path: Path, redis_server: RedisServer, postgres_url: str, rabbitmq_url: str
) -> None:
    settings = {
        "PROFILE": "distributed",
        "SQLITE_PATH": "",
        "DEPLOYMENT_ID": "dp_001",
        "REDIS_HOST": redis_server.host,
        "REDIS_PORT": str(redis_server.port),
        "POSTGRES_URL": postgres_url,
        "RABBITMQ_SERVER_URL": rabbitmq_url,
    }

    async with running_outpost(tmp_path, **settings) as outpost:
        async with asyncio.timeout(20):
            while not (found := redis_server.command("HGETALL", KEY)):
                await asyncio.sleep(0.02)
        code = await outpost.terminate()

    name, text = found
    seconds, form = text.split()
    assert f"(pid {outpost.process.pid})" in name.decode()
    assert abs(int(seconds) - int(redis_server.command("TIME")[0])) < 60
    assert int(form) == READER
    assert code == 0
    assert redis_server.command("HGETALL", KEY) == []
