"""A RabbitMQ node with its own name, ports, Erlang port mapper and cookie, and a fresh virtual host in it."""

import itertools
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.process import free_port
from tests.support.servers import (
    ServerProcess,
    hand_over,
    server_environment,
    server_folder,
    server_program,
    server_user,
)

USER = "outpost"
PASSWORD = "secret"

# Idle schedulers sleep at once instead of spinning, and nodes find each other on the loopback interface only.
_ERLANG_ARGUMENTS = "+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"


class RabbitMQServer:
    """One node, without plugins; it may be stopped, killed and started again on the same files and port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        # Debian's programs on PATH are wrappers that run as root or rabbitmq only; these are what they wrap.
        self._server = server_program("rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmq-server")
        self._folder = folder
        self._numbers = itertools.count(1)
        mapper_port = free_port()
        self._environment = {
            "ERL_EPMD_PORT": str(mapper_port),
            "RABBITMQ_NODENAME": f"outpost-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-such-file"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG_ARGUMENTS,
        }
        # Without one that is there already, the node would start its own and leave it running.
        mapper = [server_program("epmd"), "-port", str(mapper_port), "-address", "127.0.0.1"]
        self._mapper = ServerProcess(mapper, folder=folder)
        self._process = ServerProcess([self._server], folder=folder, environment=self._environment)

    def create(self) -> None:
        """Write what the node reads when it starts."""
        settings = {
            "listeners.tcp.1": f"127.0.0.1:{self.port}",
            "default_user": USER,
            "default_pass": PASSWORD,
            "disk_free_limit.absolute": "1MB",
        }
        self._write("rabbitmq.conf", "".join(f"{name} = {value}\n" for name, value in settings.items()))
        self._write("plugins", "[].")
        self._write(".erlang.cookie", "outpost", mode=0o400)

    def start(self) -> None:
        self._mapper.start()
        self._process.start()
        self._process.wait_for("completed with")

    def stop(self) -> None:
        self._process.stop()
        self._mapper.stop()

    def kill(self) -> None:
        """End the node as a crash would."""
        self._process.kill(with_children=True)
        self._mapper.stop()

    def url(self, virtual_host: str) -> str:
        return f"amqp://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{virtual_host}"

    @contextmanager
    def fresh_virtual_host(self) -> Iterator[str]:
        """Yield the URL of a new virtual host, which is deleted at the end with all that is in it."""
        name = f"test-{next(self._numbers)}"
        anything = {"configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "vhosts": [{"name": name}],
            "permissions": [{"user": USER, "vhost": name, **anything}],
        }
        # One call for both: each starts an Erlang machine of its own, which takes most of a second.
        self.control("import_definitions", str(self._write("definitions.json", json.dumps(definitions))))
        yield self.url(name)
        self.control("delete_vhost", name)

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl and return what it prints."""
        ran = subprocess.run(
            [self._server.with_name("rabbitmqctl"), "--quiet", *arguments],
            cwd=self._folder,
            env=server_environment(self._folder, self._environment),
            capture_output=True,
            text=True,
            **server_user(),
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def _write(self, name: str, content: str, *, mode: int = 0o600) -> Path:
        path = self._folder / name
        path.unlink(missing_ok=True)
        path.write_text(content)
        path.chmod(mode)
        hand_over(path)
        return path


@contextmanager
def running_rabbitmq() -> Iterator[RabbitMQServer]:
    """Yield a node that nobody else uses, so that it may be stopped or killed."""
    with server_folder("rabbitmq") as folder, ExitStack() as stack:
        server = RabbitMQServer(folder)
        server.create()
        stack.callback(server.stop)
        server.start()
        yield server
