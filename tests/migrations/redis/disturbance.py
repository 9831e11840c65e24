"""Things that happen to a run from outside, at a moment of its own: what it tells is the clock."""

import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from outpost.migrations.run import Event, Observer
from tests.support.fault_proxy import FaultProxy
from tests.support.redis_store import RedisStore
from tests.support.servers.redis import RedisServerCluster

NODE_PASS = "outpost.migrations.redis.node_pass"
Seen = tuple[RedisStore, list[FaultProxy]]


def on(*acts: tuple[str, Callable[[], object]]) -> Observer:
    """Return an observer that does something at the next event of a kind, one thing after the other."""
    steps = list(acts)

    def observe(event: Event) -> None:
        if steps and event.event == steps[0][0]:
            steps.pop(0)[1]()

    return observe


@asynccontextmanager
async def behind_proxies(store: RedisStore, response_timeout: float = 10.0) -> AsyncGenerator[Seen]:
    """Yield the store as it is seen through proxies, one before each server, and these."""
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(FaultProxy(node.port)) for node in store.nodes]
        if isinstance(store.server, RedisServerCluster):
            stack.enter_context(_announced(store.server, [proxy.port for proxy in proxies]))
        yield RedisStore(store.server, port=proxies[0].port, response_timeout=response_timeout), proxies


@contextmanager
def _announced(cluster: RedisServerCluster, ports: Sequence[int]) -> Iterator[None]:
    """Let the nodes of a cluster tell clients other ports than their own."""
    _announce(cluster, ports, ports)
    try:
        yield
    finally:
        _announce(cluster, [0] * len(ports), [node.port for node in cluster.nodes])


def _announce(cluster: RedisServerCluster, ports: Sequence[int], seen: Sequence[int]) -> None:
    for node, port in zip(cluster.nodes, ports, strict=True):
        node.command("CONFIG", "SET", "cluster-announce-port", port)
    deadline = time.monotonic() + 20
    for node in cluster.nodes:
        while sorted(master[1] for _, _, master, *_ in node.command("CLUSTER", "SLOTS")) != sorted(seen):
            assert time.monotonic() < deadline, "the nodes did not learn of the ports"
