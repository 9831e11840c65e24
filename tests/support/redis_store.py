"""The data of a Redis as values, for tests of migrations: written, read back, compared; single server or cluster alike.

Snapshots are files of one JSON object per line, gzipped: {"key", "type", "ttl_ms", "value"}; -1 is no expiry. Text that
is not UTF-8 is {"b64": "..."}; a hash with such a field name is {"pairs": [[field, value], ...]}.
"""

import base64
import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from outpost.clients.redis import Admit, Redis, RedisClient, RedisCluster, RedisOptions, slot_of
from outpost.migrations.coordinator import Coordinator
from outpost.migrations.lease import Timings
from outpost.migrations.redis.admission import Admission
from outpost.migrations.redis.context import Context
from outpost.migrations.redis.keys import ToolKeys, key_prefix
from outpost.migrations.redis.lease import RedisLease
from outpost.migrations.redis.line import RedisLine
from outpost.migrations.report import LineStatus
from outpost.migrations.run import Event, Observer
from tests.support.servers.redis import Command, RedisServer, RedisServerCluster

SNAPSHOTS = Path(__file__).parents[1] / "migrations" / "snapshots"


@dataclass(frozen=True)
class Value:
    """What lies under a key; `ttl_ms` is -1 without expiry."""

    type: str
    content: Any
    ttl_ms: int = -1


def a_hash(ttl_ms: int = -1, /, **fields: str | bytes) -> Value:
    content = {name.encode(): value.encode() if isinstance(value, str) else value for name, value in fields.items()}
    return Value("hash", content, ttl_ms)


Data = Mapping[bytes, Value]


def snapshot(release: str, name: str = "redis") -> Data:
    """Return what a real installation of `release` held."""
    with gzip.open(SNAPSHOTS / release / f"{name}.json.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return {_bytes(row["key"]): Value(row["type"], _content(row["type"], row["value"]), row["ttl_ms"]) for row in rows}


class RedisStore:
    """A running Redis of either form, asked directly."""

    def __init__(
        self,
        server: RedisServer | RedisServerCluster,
        *,
        port: int | None = None,
        lease_port: int | None = None,
        user: tuple[str, str] = ("", ""),
        response_timeout: float = 10.0,
        timings: Timings | None = None,
    ) -> None:
        """Args:
        port: Where the lines that it makes connect to, such as a proxy's; for the lock alone `lease_port`.
        user: As whom they log in: name and password; as the default user if it is not given.
        response_timeout, timings: Of those lines, in seconds.
        """
        self.server = server
        self._port = port
        self._lease_port = lease_port
        self._user = user
        self._response_timeout = response_timeout
        self._timings = timings or Timings()

    @property
    def nodes(self) -> list[RedisServer]:
        return self.server.nodes if isinstance(self.server, RedisServerCluster) else [self.server]

    def command(self, name: str, key: str | bytes, *arguments: str | bytes | int) -> Any:
        return self._home(key).command(name, key, *arguments)

    def write(self, data: Data) -> None:
        for node, commands in self._by_node((key, _writing(key, value)) for key, value in data.items()):
            node.commands(commands)

    def read(self) -> dict[bytes, Value]:
        """Return everything but the tool's own keys of this program."""
        found: dict[bytes, Value] = {}
        for node in self.nodes:
            keys = [key for key in node.command("KEYS", "*") if b"outpost:migrate:" not in key]
            types = [reply.decode() for reply in node.commands(("TYPE", key) for key in keys)]
            ttls = node.commands(("PTTL", key) for key in keys)
            stored = node.commands(_READ[type_](key) for type_, key in zip(types, keys, strict=True))
            for key, type_, ttl, reply in zip(keys, types, ttls, stored, strict=True):
                found[key] = Value(type_, _read(type_, reply), ttl)
        return found

    def redis(self, port: int | None = None, admit: Admit | None = None) -> Redis:
        return self.connect(port)(admit=admit)

    def connect(self, port: int | None = None) -> Callable[..., Redis]:
        """Return what makes clients, here and in other processes."""
        node, (name, password) = self.nodes[0], self._user
        return partial(
            _client,
            clustered=isinstance(self.server, RedisServerCluster),
            host=node.host,
            port=port or self._port or node.port,
            username=name,
            password=password or node.password,
            response_timeout=self._response_timeout,
        )

    def line(self, deployment_id: str = "") -> RedisLine:
        """Return a line over this Redis, as wiring makes it."""
        redis, beside = self.redis(admit=Admission().admit), self.redis(self._lease_port)
        keys = ToolKeys(key_prefix(deployment_id))

        async def close() -> None:
            await redis.aclose()
            await beside.aclose()

        return RedisLine(
            Context(redis, keys, across=isinstance(self.server, RedisServerCluster), connect=self.connect()),
            target="test",
            lease=RedisLease(beside, prefix=keys.prefix, timings=self._timings),
            close=close,
        )

    def coordinator(
        self, deployment_id: str = "", events: list[Event] | None = None, *, observe: Observer | None = None
    ) -> Coordinator:
        seen = events.append if events is not None else observe
        return Coordinator([self.line(deployment_id)], observe=seen, timings=self._timings)

    async def status(self) -> LineStatus:
        async with self.coordinator() as coordinator:
            (status,) = (await coordinator.status()).lines
        return status

    def _home(self, key: str | bytes) -> RedisServer:
        if isinstance(self.server, RedisServer):
            return self.server
        name = key.encode() if isinstance(key, str) else key
        return self.server.nodes[self.server.home(slot_of(name))]

    def _by_node(self, keyed: Iterable[tuple[bytes, list[Command]]]) -> Iterable[tuple[RedisServer, list[Command]]]:
        nodes: dict[int, tuple[RedisServer, list[Command]]] = {}
        for key, commands in keyed:
            node = self._home(key)
            nodes.setdefault(id(node), (node, []))[1].extend(commands)
        return nodes.values()


_READ: Mapping[str, Any] = {
    "hash": lambda key: ("HGETALL", key),
    "string": lambda key: ("GET", key),
    "set": lambda key: ("SMEMBERS", key),
    "zset": lambda key: ("ZRANGE", key, 0, -1, "WITHSCORES"),
    "list": lambda key: ("LRANGE", key, 0, -1),
}


def _read(type_: str, reply: Any) -> Any:
    match type_:
        case "hash":
            return dict(zip(reply[::2], reply[1::2], strict=True))
        case "set":
            return frozenset(reply)
        case "zset":
            return {member: float(score) for member, score in zip(reply[::2], reply[1::2], strict=True)}
        case "list":
            return list(reply)
        case _:
            return reply


def _writing(key: bytes, value: Value) -> list[Command]:
    content = value.content
    match value.type:
        case "hash":
            command: Command = ("HSET", key, *[each for pair in content.items() for each in pair])
        case "set":
            command = ("SADD", key, *content)
        case "zset":
            command = ("ZADD", key, *[each for member, score in content.items() for each in (score, member)])
        case "list":
            command = ("RPUSH", key, *content)
        case _:
            command = ("SET", key, content)
    return [command, ("PEXPIRE", key, max(value.ttl_ms, 1))] if value.ttl_ms >= 0 else [command]


def _content(type_: str, value: Any) -> Any:
    match type_:
        case "hash":
            pairs = value["pairs"] if set(value) == {"pairs"} and isinstance(value["pairs"], list) else value.items()
            return {_bytes(name): _bytes(text) for name, text in pairs}
        case "zset":
            return {_bytes(member): float(score) for member, score in value}
        case "set":
            return frozenset(_bytes(each) for each in value)
        case "list":
            return [_bytes(each) for each in value]
        case _:
            return _bytes(value)


def _bytes(value: Any) -> bytes:
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()


def _client(*, clustered: bool, **options: Any) -> Redis:
    return RedisCluster(RedisOptions(**options)) if clustered else RedisClient(RedisOptions(**options))
