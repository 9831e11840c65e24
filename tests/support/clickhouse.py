"""ClickHouse in a temporary folder, and a fresh database in it."""

import http.client
import itertools
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.environments import interpreter
from tests.support.process import free_port
from tests.support.servers import ServerProcess, server_folder

USER = "outpost"
PASSWORD = "p@ss:wörd"


@dataclass(frozen=True)
class ClickHouseDatabase:
    """What a client needs to reach a database."""

    url: str
    database: str
    user: str = USER
    password: str = PASSWORD

    @property
    def settings(self) -> dict[str, str]:
        """What makes it an Outpost's log store."""
        return {
            "CLICKHOUSE_HTTP_URL": self.url,
            "CLICKHOUSE_ADDR": self.url.removeprefix("http://"),
            "CLICKHOUSE_DATABASE": self.database,
            "CLICKHOUSE_USERNAME": self.user,
            "CLICKHOUSE_PASSWORD": self.password,
        }


class ClickHouseServer:
    """The engine behind its HTTP interface; it may be stopped, killed and started again on the same files and port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._numbers = itertools.count(1)
        shim = Path(__file__).with_name("clickhouse_shim.py")
        identity = ["--user", USER, "--password", PASSWORD]
        self._process = ServerProcess(
            # -P: beside the shim lies a module `http`, which must not hide the library's.
            [interpreter("clickhouse"), "-P", shim, "--folder", folder / "data", "--port", str(self.port), *identity],
            folder=folder,
            as_other_user=False,  # another user might not be allowed to read the checkout; the engine does not mind
        )

    def start(self) -> None:
        self._process.start()
        self._process.wait_for("listening")

    def stop(self) -> None:
        self._process.stop()

    def kill(self) -> None:
        self._process.kill()

    @contextmanager
    def fresh_database(self) -> Iterator[ClickHouseDatabase]:
        """Yield a new, empty database, which is dropped at the end."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        yield ClickHouseDatabase(self.url, name)
        self.execute(f"DROP DATABASE {name} SYNC")

    def execute(self, statement: str) -> str:
        """Run a statement outside any database of a test and return its output, tab-separated."""
        headers = {"X-ClickHouse-User": USER, "X-ClickHouse-Key": PASSWORD.encode()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request("POST", "/", statement.encode(), headers)
            response = connection.getresponse()
            body = response.read().decode()
        assert response.status == 200, body
        return body


@contextmanager
def running_clickhouse() -> Iterator[ClickHouseServer]:
    """Yield a server that nobody else uses, so that it may be stopped or killed."""
    with server_folder("clickhouse") as folder, ExitStack() as stack:
        server = ClickHouseServer(folder)
        stack.callback(server.stop)
        server.start()
        yield server
