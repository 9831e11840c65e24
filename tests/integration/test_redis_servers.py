"""What other tests may rely on when they ask for a Redis server."""

from collections.abc import Callable

import hiredis
import pytest

from tests.support.servers.redis import RedisServer, RedisServerCluster


@pytest.mark.parametrize("position", ["first", "second"])
@pytest.mark.parametrize("fixture", ["redis_server", "redis_password_server", "redis_tls_server"])
def test_a_server_is_empty_for_each_test(request: pytest.FixtureRequest, fixture: str, position: str) -> None:
    server: RedisServer = request.getfixturevalue(fixture)

    assert server.command("DBSIZE") == 0
    server.command("SET", "key", position)


@pytest.mark.parametrize("position", ["first", "second"])
def test_a_cluster_is_empty_and_in_its_first_shape_for_each_test(
    redis_cluster: RedisServerCluster, position: str
) -> None:
    slot = redis_cluster.slot("key")
    other = (redis_cluster.home(slot) + 1) % 3

    redis_cluster.nodes[redis_cluster.home(slot)].command("SET", "key", position)
    redis_cluster.start_moving(slot, to=other)
    redis_cluster.finish_moving(slot, to=other)
    redis_cluster.start_moving(slot - 1, to=other)

    assert redis_cluster.nodes[other].command("GET", "key") == position.encode()


def test_a_server_of_a_test_comes_back_on_its_port(new_redis_server: Callable[..., RedisServer]) -> None:
    server = new_redis_server(settings={"appendonly": "yes", "appendfsync": "always"})
    port = server.port
    server.command("SET", "key", "value")

    server.kill()
    server.start()

    assert server.port == port
    assert server.command("GET", "key") == b"value"


def test_a_reply_that_is_an_error_is_raised(redis_server: RedisServer) -> None:
    with pytest.raises(hiredis.ReplyError, match="WRONGTYPE"):
        redis_server.commands([("SET", "key", 1), ("LPUSH", "key", 1)])
