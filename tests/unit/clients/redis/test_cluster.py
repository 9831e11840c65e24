"""The client of a cluster, against nodes that disagree, stall and lie."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from outpost.clients.redis import (
    RedisCluster,
    RedisConnectionLost,
    RedisNotConnected,
    RedisNotReady,
    RedisOptions,
    RedisReplyError,
    Script,
)
from outpost.clients.redis import client as client_module
from outpost.clients.redis import cluster as module
from tests.support.redis_peer import RedisPeer, redis_peer
from tests.support.servers import free_port

OK = b"+OK\r\n"
SLOT = b"12182"  # of foo


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for part in (client_module, module):
        monkeypatch.setattr(part, "_FIRST_PAUSE_SECONDS", 0.001)
        monkeypatch.setattr(part, "_LONGEST_PAUSE_SECONDS", 0.01)


def slots(*ports: int, host: bytes = b"$9\r\n127.0.0.1\r\n") -> bytes:
    """Return the reply to CLUSTER SLOTS of masters that share the slots in this order."""
    each = 16384 // len(ports)
    ranges = b""
    for number, port in enumerate(ports):
        last = 16383 if number == len(ports) - 1 else (number + 1) * each - 1
        ranges += b"*3\r\n:%d\r\n:%d\r\n*2\r\n%b:%d\r\n" % (number * each, last, host, port)
    return b"*%d\r\n%b" % (len(ports), ranges)


class Nodes:
    """What peers answer, by name of the command."""

    def __init__(self, slot_map: Callable[[], bytes]) -> None:
        self._slot_map = slot_map
        self.answers: dict[bytes, Any] = {}

    def __call__(self, command: list[bytes]) -> Any:
        if command[0] == b"CLUSTER":
            return self._slot_map()
        answer = self.answers.get(command[0], OK)
        return next(answer) if hasattr(answer, "__next__") else answer


def cluster(peer: RedisPeer, **options: Any) -> RedisCluster:
    return RedisCluster(RedisOptions(port=peer.port), **options)


async def test_a_key_goes_to_the_node_that_has_its_slot() -> None:
    nodes = Nodes(lambda: slots(low.port, high.port))
    async with redis_peer(nodes) as low, redis_peer(nodes) as high:
        async with cluster(low) as redis:
            await asyncio.gather(redis.send("SET", "bar", 1), redis.send("SET", "foo", 1))  # slots 5061 and 12182

        assert [command[1] for command in low.commands if command[0] == b"SET"] == [b"bar"]
        assert [command[1] for command in high.commands if command[0] == b"SET"] == [b"foo"]


@pytest.mark.parametrize("host", [b"$-1\r\n", b"$0\r\n\r\n", b"$1\r\n?\r\n"], ids=["null", "empty", "?"])
async def test_a_node_without_a_host_is_reached_where_it_was_asked(host: bytes) -> None:
    async with redis_peer(Nodes(lambda: slots(peer.port, host=host))) as peer, cluster(peer) as redis:
        assert await redis.command("SET", "foo", 1) == b"OK"


async def test_nodes_are_reached_at_the_configured_host_if_it_is_to_be_kept() -> None:
    unreachable = b"$11\r\nnot.invalid\r\n"
    async with (
        redis_peer(Nodes(lambda: slots(peer.port, host=unreachable))) as peer,
        cluster(peer, keep_host=True) as redis,
    ):
        assert await redis.command("SET", "foo", 1) == b"OK"


async def test_a_moved_slot_is_followed_at_once_and_remembered() -> None:
    maps = iter([lambda: slots(old.port), lambda: slots(new.port)])
    nodes = Nodes(lambda: next(maps)())
    other = Nodes(lambda: slots(new.port))
    async with redis_peer(nodes) as old, redis_peer(other) as new:
        nodes.answers[b"SET"] = b"-MOVED %b :%d\r\n" % (SLOT, new.port)
        async with cluster(old) as redis:
            before = (await redis.nodes(), redis.topology)[1]
            await redis.command("SET", "foo", 1)
            await redis.command("SET", "foo", 2)

            assert redis.topology.version > before.version

        assert old.count(b"SET") == 1
        assert new.count(b"SET") == 2


async def test_nodes_that_send_a_command_in_circles_are_given_up_on() -> None:
    nodes = Nodes(lambda: slots(one.port))
    other = Nodes(lambda: slots(one.port))
    async with redis_peer(nodes) as one, redis_peer(other) as two:
        nodes.answers[b"SET"] = b"-MOVED %b 127.0.0.1:%d\r\n" % (SLOT, two.port)
        other.answers[b"SET"] = b"-MOVED %b 127.0.0.1:%d\r\n" % (SLOT, one.port)
        async with cluster(one, patience=0.1) as redis:
            with pytest.raises(RedisReplyError, match="MOVED"):
                await redis.command("SET", "foo", 1)

        assert one.count(b"SET") + two.count(b"SET") < 200


async def test_a_key_on_its_way_is_asked_for_at_the_other_node_this_once() -> None:
    nodes = Nodes(lambda: slots(old.port))
    async with redis_peer(nodes) as old, redis_peer(Nodes(lambda: slots(old.port))) as new:
        nodes.answers[b"GET"] = b"-ASK %b 127.0.0.1:%d\r\n" % (SLOT, new.port)
        async with cluster(old) as redis:
            await redis.command("GET", "foo")
            await redis.command("GET", "foo")

        assert [command[0] for command in new.commands] == [b"ASKING", b"GET"] * 2
        assert old.count(b"GET") == 2


@pytest.mark.parametrize("refusal", ["TRYAGAIN", "LOADING", "CLUSTERDOWN", "MASTERDOWN", "READONLY"])
async def test_a_command_refused_for_now_is_sent_again(refusal: str) -> None:
    nodes = Nodes(lambda: slots(peer.port))
    async with redis_peer(nodes) as peer:
        nodes.answers[b"SET"] = iter([b"-%b wait\r\n" % refusal.encode()] * 3 + [OK])
        async with cluster(peer) as redis:
            assert await redis.command("SET", "foo", 1) == b"OK"

        assert peer.count(b"SET") == 4


async def test_patience_ends_with_the_last_refusal() -> None:
    nodes = Nodes(lambda: slots(peer.port))
    async with redis_peer(nodes) as peer:
        nodes.answers[b"SET"] = b"-CLUSTERDOWN The cluster is down\r\n"
        async with cluster(peer, patience=0.05) as redis:
            with pytest.raises(RedisNotReady, match="CLUSTERDOWN"):
                await redis.command("SET", "foo", 1)


async def test_a_slot_without_a_node_is_waited_for() -> None:
    half = b"*1\r\n*3\r\n:0\r\n:100\r\n*2\r\n$-1\r\n:%d\r\n"
    maps = iter([lambda: half % peer.port, lambda: half % peer.port])
    async with redis_peer(Nodes(lambda: next(maps, lambda: slots(peer.port))())) as peer, cluster(peer) as redis:
        assert await redis.command("SET", "foo", 1) == b"OK"


async def test_a_command_whose_connection_broke_is_not_sent_again() -> None:
    nodes = Nodes(lambda: slots(peer.port))
    async with redis_peer(nodes) as peer:
        nodes.answers[b"INCR"] = None
        async with cluster(peer) as redis:
            with pytest.raises(RedisConnectionLost):
                await redis.command("INCR", "foo")

        assert peer.count(b"INCR") == 1


async def test_a_node_that_cannot_be_reached_is_replaced_by_what_the_map_says_next() -> None:
    gone = free_port()
    maps = iter([lambda: slots(gone)])
    async with redis_peer(Nodes(lambda: next(maps, lambda: slots(peer.port))())) as peer, cluster(peer) as redis:
        assert await redis.command("SET", "foo", 1) == b"OK"


async def test_another_node_is_asked_for_the_map_when_the_configured_one_is_gone() -> None:
    nodes = Nodes(lambda: slots(old.port))
    async with redis_peer(Nodes(lambda: slots(new.port))) as new:
        async with redis_peer(lambda _: slots(old.port, new.port)) as seed, redis_peer(nodes) as old:
            redis = cluster(seed)
            await redis.nodes()
        async with redis:  # now only `new` is there
            assert await redis.command("SET", "bar", 1) == b"OK"


async def test_a_server_that_is_no_cluster_says_so_at_once() -> None:
    async with (
        redis_peer(lambda _: b"-ERR This instance has cluster support disabled\r\n") as peer,
        cluster(peer) as redis,
    ):
        with pytest.raises(RedisReplyError, match="cluster support disabled"):
            await redis.command("SET", "foo", 1)
        with pytest.raises(RedisReplyError, match="cluster support disabled"):
            await redis.nodes()


@pytest.mark.parametrize("reply", [OK, b"*0\r\n", b"*1\r\n:5\r\n"], ids=["status", "no slots", "nonsense"])
async def test_a_map_that_is_none_is_no_map(reply: bytes) -> None:
    async with redis_peer(lambda _: reply) as peer, cluster(peer) as redis:
        with pytest.raises((RedisNotConnected, RedisNotReady)):
            await redis.command("SET", "foo", 1)


async def test_an_unreachable_cluster_is_told_at_once() -> None:
    async with RedisCluster(RedisOptions(port=free_port())) as redis:
        with pytest.raises(RedisNotConnected, match="refused"):
            await redis.command("SET", "foo", 1)


async def test_a_script_unknown_to_a_node_is_sent_whole() -> None:
    nodes = Nodes(lambda: slots(peer.port))
    async with redis_peer(nodes) as peer:
        nodes.answers |= {b"EVALSHA": b"-NOSCRIPT no\r\n", b"EVAL": b":7\r\n"}
        async with cluster(peer) as redis:
            assert await redis.run(Script("return 7"), ["foo"]) == 7


async def test_closing_fails_what_waits_for_another_try() -> None:
    nodes = Nodes(lambda: slots(peer.port))
    async with redis_peer(nodes) as peer:
        nodes.answers[b"SET"] = b"-TRYAGAIN wait\r\n"
        redis = cluster(peer)
        waiting = redis.send("SET", "foo", 1)
        await peer.until(lambda: peer.count(b"SET") == 2)

        await redis.aclose()

        with pytest.raises((RedisNotConnected, RedisConnectionLost), match="the client was closed"):
            await waiting
        with pytest.raises(RuntimeError, match="closed"):
            redis.send("SET", "foo", 1)
