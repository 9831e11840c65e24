"""A Postgres cluster in a temporary folder, and a fresh database in it."""

import itertools
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

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
PASSWORD = "p@ss/w:rd%"  # with all that a URL must escape, so that no test passes by luck
_PASSWORD_IN_URLS = "p%40ss%2Fw%3Ard%25"

# Nothing here has to outlive a crash of the machine; a killed server still keeps what it had committed.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "autovacuum_naptime": "10min",
}


class PostgresServer:
    """A cluster of its own; it may be stopped, killed and started again on the same files and port."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        """Args:
        settings: Of the server, by name; they win over those of all test servers.
        """
        self.port = free_port()
        self._folder = folder
        self._programs = server_program("postgres", "/usr/lib/postgresql/*/bin/postgres").resolve().parent
        self._numbers = itertools.count(1)
        options = [f"--{name}={value}" for name, value in {**_SETTINGS, **(settings or {})}.items()]
        network = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(folder)]
        self._process = ServerProcess(
            [self._programs / "postgres", "-D", self._data, *network, *options],
            folder=folder,
            stop_signal=signal.SIGINT,  # "fast": ends sessions instead of waiting for them
        )

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def pid(self) -> int:
        return self._process.pid

    def create(self) -> None:
        """Make the files of the cluster."""
        password = self._folder / "password"
        password.write_text(PASSWORD)
        hand_over(password)
        authentication = ["--auth=scram-sha-256", f"--username={USER}", f"--pwfile={password}"]
        self._run("initdb", "--no-sync", "--encoding=UTF8", "--locale=C", *authentication, "-D", str(self._data))

    def copy(self, primary: "PostgresServer") -> None:
        """Make the files of a standby that follows `primary`."""
        target = ["--pgdata", str(self._data), "--write-recovery-conf"]
        self._run("pg_basebackup", "--dbname", primary.url(), "--checkpoint=fast", "--no-sync", *target)

    def start(self) -> None:
        self._process.start()
        follows = (self._data / "standby.signal").exists()
        self._process.wait_for("ready to accept read" if follows else "ready to accept connections")

    def stop(self) -> None:
        self._process.stop()

    def kill(self) -> None:
        """End the server as a crash would; it leaves its shared memory, so the cluster needs `start` to recover.

        Its sessions end too: they notice by themselves that their server is gone, but may serve a statement before.
        """
        sessions = psutil.Process(self.pid).children(recursive=True)
        self._process.kill()
        for session in sessions:
            with suppress(psutil.NoSuchProcess):
                session.kill()
        psutil.wait_procs(sessions, timeout=1)  # where nobody reaps orphans they stay, as zombies, which serve nobody

    def url(self, database: str = "postgres") -> str:
        return f"postgres://{USER}:{_PASSWORD_IN_URLS}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    @contextmanager
    def fresh_database(self) -> Iterator[str]:
        """Yield the URL of a new, empty database, which is dropped at the end."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        yield self.url(name)
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Run a statement as superuser in the database `postgres`."""
        self._run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.url(), "-c", statement)

    def _run(self, program: str, *arguments: str) -> None:
        ran = subprocess.run(
            [self._programs / program, *arguments],
            cwd=self._folder,
            env=server_environment(self._folder),
            capture_output=True,
            text=True,
            **server_user(),
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


@contextmanager
def running_postgres(settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """Yield a server that nobody else uses, so that it may be stopped or killed."""
    with server_folder("postgres") as folder, ExitStack() as stack:
        server = PostgresServer(folder, settings)
        server.create()
        stack.callback(server.stop)
        server.start()
        yield server


@contextmanager
def running_standby(primary: PostgresServer) -> Iterator[PostgresServer]:
    """Yield a server that follows `primary` and can be read."""
    with server_folder("postgres") as folder, ExitStack() as stack:
        standby = PostgresServer(folder)
        standby.copy(primary)
        stack.callback(standby.stop)
        standby.start()
        yield standby
