"""Redis servers for tests, and the fixtures that hand them out.

    redis_server            one server, emptied for each test
    redis_password_server   the same, with a password: `server.password`
    redis_tls_server        the same, TLS only, for `localhost` and 127.0.0.1: `server.certificates.ca_file`
    redis_cluster           three masters, emptied for each test, with the slots where they were at first
    new_redis_server        makes servers for one test alone, which it may stop, kill, suspend or reconfigure
    new_redis_cluster       the same for clusters; one takes about three seconds to form

The first four live as long as the test run (one set per xdist worker), so asking for them costs a few commands.
`server.command("SET", "key", 1)` talks to a server without the client under test; it blocks, and raises error replies.
"""

import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import hiredis
import pytest

from tests.support.certificates import Certificates, make_certificates
from tests.support.servers import free_port, missing_server, program

HOST = "127.0.0.1"
SLOTS = 16384
_SECONDS = 20.0
_BUS_OFFSET = 10_000  # a cluster node also listens this much higher

Argument = str | bytes | int | float
Command = Sequence[Argument]
_encode: Callable[[Command], bytes] = cast(Any, hiredis.pack_command)  # its own annotation allows one argument only


class RedisServer:
    """A `redis-server` over its runs: on one port and in one folder it may be stopped and started again.

    Nothing is persisted unless `settings` say so, so a restart empties it.
    """

    host = HOST

    def __init__(
        self,
        folder: Path,
        *,
        password: str = "",
        certificates: Certificates | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a server; `start` runs it.

        Args:
            settings: More lines of `redis.conf`.
        """
        self.folder = folder
        self.password = password
        self.certificates = certificates
        self.port = 0
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it and wait until it answers; on the port of its earlier runs, if there were any."""
        self.folder.mkdir(parents=True, exist_ok=True)
        attempts = 1 if self.port else 5
        for _ in range(attempts):
            port = self.port or free_port(highest=65535 - _BUS_OFFSET)
            if self._started_on(port):
                return
        log = self._log.read_text()
        if "tls-port" in log:
            missing_server("redis-server with TLS")
        raise AssertionError(f"redis-server did not start:\n{log}")

    def stop(self) -> None:
        """End it in good order, if it runs."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, if it runs."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def suspend(self) -> None:
        """Make it hang: connections stay open, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *arguments: Argument) -> Any:
        """Run one command on a connection of its own and return the reply, text as bytes."""
        return self.commands([arguments])[0]

    def commands(self, commands: Iterable[Command]) -> list[Any]:
        """Run many commands in one flight and return their replies; the first error reply is raised."""
        login: list[Command] = [("AUTH", self.password)] if self.password else []
        wanted = [*login, *commands]
        with self._connection() as connection:
            connection.sendall(b"".join(_encode(tuple(command)) for command in wanted))
            replies = _replies(connection, len(wanted))
        for reply in replies:
            if isinstance(reply, hiredis.ReplyError):
                raise reply
        return replies[len(login) :]

    def empty(self) -> None:
        """Remove the keys of every database, and scripts; settings and users stay."""
        self.commands([("FLUSHALL",), ("SCRIPT", "FLUSH")])

    def _started_on(self, port: int) -> bool:
        (self.folder / "redis.conf").write_text("".join(f"{line}\n" for line in self._configuration(port)))
        self._log.write_bytes(b"")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [program("redis-server", cached="redis/redis-server"), "redis.conf"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.port = port
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                self.command("PING")
                return True
            except (OSError, hiredis.ReplyError):  # not listening yet, or still loading
                time.sleep(0.005)
        self.kill()
        self.port = 0
        return False

    def _configuration(self, port: int) -> list[str]:
        lines = {"bind": HOST, "port": str(port), "save": '""', "dir": f'"{self.folder}"', "logfile": '""'}
        if self.password:
            lines["requirepass"] = f'"{self.password}"'
        if self.certificates is not None:
            lines |= {
                "port": "0",
                "tls-port": str(port),
                "tls-auth-clients": "no",
                "tls-ca-cert-file": f'"{self.certificates.ca_file}"',
                "tls-cert-file": f'"{self.certificates.certificate_file}"',
                "tls-key-file": f'"{self.certificates.key_file}"',
            }
        return [f"{name} {value}" for name, value in (lines | self._settings).items()]

    def _connection(self) -> socket.socket:
        connection = socket.create_connection((HOST, self.port), timeout=_SECONDS)
        if self.certificates is None:
            return connection
        context = ssl.create_default_context(cafile=str(self.certificates.ca_file))
        return context.wrap_socket(connection, server_hostname="localhost")

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.send_signal(signal.SIGCONT)
        self._process.wait(_SECONDS)
        self._process = None

    @property
    def _log(self) -> Path:
        return self.folder / "redis.log"


class RedisServerCluster:
    """Three masters without replicas; the first has the lowest slots."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None) -> None:
        of_nodes = {
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": "2000",
            **(settings or {}),
        }
        self.nodes = [RedisServer(folder / f"node{number}", settings=of_nodes) for number in range(3)]
        self.ids: list[str] = []

    def start(self) -> None:
        """Run the nodes, make them one cluster and wait until it serves every slot."""
        for node in self.nodes:
            node.start()
        self.ids = [node.command("CLUSTER", "MYID").decode() for node in self.nodes]
        for number, node in enumerate(self.nodes):
            # Different epochs from the start, so that they need not first find out about a conflict. Only a node that
            # knows no other takes one.
            node.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.command("CLUSTER", "ADDSLOTS", *(slot for slot in range(SLOTS) if self.home(slot) == number))
        for node in self.nodes:
            for other in self.nodes:
                if other is not node:
                    node.command("CLUSTER", "MEET", HOST, other.port)
        self.wait_until_ok()

    def stop(self) -> None:
        for node in self.nodes:
            node.kill()

    def home(self, slot: int) -> int:
        """Return the number of the node that has `slot` at first."""
        return slot * len(self.nodes) // SLOTS

    def slot(self, key: str | bytes) -> int:
        return int(self.nodes[0].command("CLUSTER", "KEYSLOT", key))

    def start_moving(self, slot: int, *, to: int) -> None:
        """Put `slot` between its home and another node: the home answers ASK for keys it does not hold."""
        home = self.home(slot)
        self.nodes[to].command("CLUSTER", "SETSLOT", slot, "IMPORTING", self.ids[home])
        self.nodes[home].command("CLUSTER", "SETSLOT", slot, "MIGRATING", self.ids[to])

    def finish_moving(self, slot: int, *, to: int) -> None:
        """Take over the keys of `slot` from its home and make the other node its owner."""
        home, target = self.nodes[self.home(slot)], self.nodes[to]
        while keys := home.command("CLUSTER", "GETKEYSINSLOT", slot, 1000):
            home.command("MIGRATE", HOST, target.port, "", 0, 5000, "KEYS", *keys)
        self._give([slot], to)

    def empty(self) -> None:
        """Remove keys and scripts, and give slots back to the nodes that had them at first."""
        astray = {slot for node in self.nodes for slot in (*self._strangers(node), *_unsettled(node))}
        if astray:
            self.wait_until_ok()
        for node in self.nodes:
            node.empty()
            node.commands([("CLUSTER", "SETSLOT", slot, "STABLE") for slot in astray])
        for number in range(len(self.nodes)):
            self._give([slot for slot in astray if self.home(slot) == number], number)
        if astray:
            self.wait_until_ok()

    def wait_until_ok(self) -> None:
        """Wait until every node sees the whole cluster serving, and all of them agree who has what.

        They must agree on epochs too: a node that does not know the newest one could not outdo it.
        """
        deadline = time.monotonic() + _SECONDS
        while not self._ok():
            assert time.monotonic() < deadline, "the Redis Cluster did not form"
            time.sleep(0.02)

    def _ok(self) -> bool:
        wanted = [b"cluster_state:ok", b"cluster_slots_ok:%d" % SLOTS, b"cluster_known_nodes:%d" % len(self.nodes)]
        if not all(line in node.command("CLUSTER", "INFO") for node in self.nodes for line in wanted):
            return False
        views = [_view(node) for node in self.nodes]
        return all(view == views[0] for view in views)

    def _strangers(self, node: RedisServer) -> list[int]:
        """Return slots that `node` believes to be elsewhere than at first."""
        numbers = {node.port: number for number, node in enumerate(self.nodes)}
        ranges = node.command("CLUSTER", "SLOTS")
        owners = {slot: numbers[master[1]] for first, last, master, *_ in ranges for slot in range(first, last + 1)}
        return [slot for slot in range(SLOTS) if owners.get(slot) != self.home(slot)]

    def _give(self, slots: Sequence[int], owner: int) -> None:
        """Make the node numbered `owner` the owner of slots, in the eyes of all."""
        if not slots:
            return
        # With the newest epoch it wins against news of earlier owners that are still under way.
        self.nodes[owner].command("CLUSTER", "BUMPEPOCH")
        order = [self.nodes[owner], *(node for node in self.nodes if node is not self.nodes[owner])]
        for node in order:
            node.commands([("CLUSTER", "SETSLOT", slot, "NODE", self.ids[owner]) for slot in slots])


@pytest.fixture(scope="session")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator["_Servers"]:
    with ExitStack() as stack:
        yield _Servers(tmp_path_factory.mktemp("redis"), stack)


@pytest.fixture(scope="session")
def _plain(_servers: "_Servers") -> RedisServer:
    return _servers.new_server()


@pytest.fixture(scope="session")
def _with_password(_servers: "_Servers") -> RedisServer:
    return _servers.new_server(password="a password with spaces")


@pytest.fixture(scope="session")
def _with_tls(_servers: "_Servers") -> RedisServer:
    return _servers.new_server(certificates=make_certificates(_servers.folder))


@pytest.fixture(scope="session")
def _cluster(_servers: "_Servers") -> RedisServerCluster:
    return _servers.new_cluster()


@pytest.fixture
def redis_server(_plain: RedisServer) -> RedisServer:
    """A Redis server without keys."""
    _plain.empty()
    return _plain


@pytest.fixture
def redis_password_server(_with_password: RedisServer) -> RedisServer:
    """A Redis server without keys that asks for a password."""
    _with_password.empty()
    return _with_password


@pytest.fixture
def redis_tls_server(_with_tls: RedisServer) -> RedisServer:
    """A Redis server without keys that speaks TLS only."""
    _with_tls.empty()
    return _with_tls


@pytest.fixture
def redis_cluster(_cluster: RedisServerCluster) -> RedisServerCluster:
    """A Redis Cluster of three masters without keys."""
    _cluster.empty()
    return _cluster


@pytest.fixture
def new_redis_server(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Start servers that end with the test; takes what `RedisServer` takes, but the folder."""
    with ExitStack() as stack:
        yield _Servers(tmp_path, stack).new_server


@pytest.fixture
def new_redis_cluster(tmp_path: Path) -> Iterator[Callable[..., RedisServerCluster]]:
    """Start clusters that end with the test; takes what `RedisServerCluster` takes, but the folder."""
    with ExitStack() as stack:
        yield _Servers(tmp_path, stack).new_cluster


class _Servers:
    """Starts servers in subfolders of one folder; they end with `stack`."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self._started = 0

    def new_server(self, **options: Any) -> RedisServer:
        server = RedisServer(self._new_folder(), **options)
        self._stack.callback(server.kill)
        server.start()
        return server

    def new_cluster(self, **options: Any) -> RedisServerCluster:
        cluster = RedisServerCluster(self._new_folder(), **options)
        self._stack.callback(cluster.stop)
        cluster.start()
        return cluster

    def _new_folder(self) -> Path:
        self._started += 1
        return self.folder / f"redis{self._started}"


def _replies(connection: socket.socket, count: int) -> list[Any]:
    reader = hiredis.Reader(notEnoughData=...)
    replies: list[Any] = []
    while len(replies) < count:
        reply = reader.gets()
        if reply is not ...:
            replies.append(reply)
        elif data := connection.recv(65536):
            reader.feed(data)
        else:
            raise ConnectionError("redis-server closed the connection")
    return replies


def _view(node: RedisServer) -> list[list[str]]:
    """Return id, epoch and slots of every node, as `node` sees them."""
    lines = [line.split() for line in node.command("CLUSTER", "NODES").decode().splitlines()]
    return sorted([words[0], words[6], *(word for word in words[8:] if not word.startswith("["))] for words in lines)


def _unsettled(node: RedisServer) -> list[int]:
    """Return slots that are on their way to or from this node: `[93-<-id]` or `[93->-id]` in its own line."""
    for line in node.command("CLUSTER", "NODES").decode().splitlines():
        if "myself" in line:
            return [int(word[1:].split("-")[0]) for word in line.split() if word.startswith("[")]
    return []
