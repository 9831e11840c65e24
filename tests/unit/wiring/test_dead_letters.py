"""Where the dead letters of a configuration are looked for."""

import pytest

from outpost.config.load import load_settings
from outpost.wiring.dead_letters import open_dead_letters


@pytest.mark.parametrize(
    ("chosen", "places"),
    [
        pytest.param(
            {},
            {
                "delivery": "outpost-delivery.dlq",
                "log": "outpost-log.dlq",
                "retry": "rsmq:deliverymq-retry-dlq",
                "parked": "rsmq:deliverymq-parked-dlq",
            },
            id="nothing but the servers is set",
        ),
        pytest.param(
            {
                "DEPLOYMENT_ID": "dp_1",
                "REDIS_CLUSTER_ENABLED": "true",
                "RABBITMQ_DELIVERY_QUEUE": "d",
                "RABBITMQ_LOG_QUEUE": "l",
            },
            {
                "delivery": "d.dlq",
                "log": "l.dlq",
                "retry": "dp_1:rsmq:{deliverymq-retry}-dlq",
                "parked": "dp_1:rsmq:{deliverymq-parked}-dlq",
            },
            id="named, and on a cluster",
        ),
    ],
)
async def test_they_lie_where_serve_leaves_them(chosen: dict[str, str], places: dict[str, str]) -> None:
    settings = load_settings(environ={"REDIS_HOST": "r", "RABBITMQ_SERVER_URL": "amqp://mq", **chosen})

    async with open_dead_letters(settings) as letters:
        assert {name: each.place for name, each in letters.items()} == places
