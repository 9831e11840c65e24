"""`outpost serve` as a process of its own, on a database file of its own or on stores that it is told."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.http import Answer, call
from tests.support.servers import free_port

API_KEY = "test-key"
_START_SECONDS = 20.0


class OutpostProcess:
    """One Outpost over its runs: it may be started, killed and started again on the same stores."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str] | None = None,
        *,
        stores: Mapping[str, str] | None = None,
        program: Sequence[str] | None = None,
    ) -> None:
        """Args:
        stores: The settings that choose its stores; by default a file in `folder`.
        program: What is run instead of `outpost`.
        """
        self._program = program or (sys.executable, "-m", "outpost")
        self.database = folder / "outpost.db"
        self.port = free_port()
        self.log = folder / "outpost.log"
        self.settings = {
            "API_KEY": API_KEY,
            "API_JWT_SECRET": "test-jwt-secret",
            "AES_ENCRYPTION_SECRET": "test-aes-secret",
            "API_PORT": str(self.port),
            "EGRESS_ALLOW": "127.0.0.0/8",
            **(stores if stores is not None else {"SQLITE_PATH": str(self.database)}),
            **(settings or {}),
        }
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "not started"
        return self._process

    async def run(self, *arguments: str, limits: Any = None, **settings: str) -> tuple[int, str, str]:
        """Run `outpost` to its end; return exit code, standard output and standard error."""
        process = await asyncio.create_subprocess_exec(
            *self._program,
            *arguments,
            env=self._environment(settings),
            cwd=self._folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=limits,
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def migrate(self) -> None:
        code, out, err = await self.run("migrate", "apply", "--yes")
        assert code == 0, out + err

    async def start(self, *, limits: Any = None) -> None:
        """Start `outpost serve` and wait until it answers."""
        await self.begin(limits=limits)
        async with asyncio.timeout(_START_SECONDS):
            while not await self.healthy():
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.02)

    async def begin(self, *, limits: Any = None) -> None:
        """Start `outpost serve` and do not wait for it."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._program,
                "serve",
                env=self._environment({}),
                cwd=self._folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=limits,
            )

    async def healthy(self) -> bool:
        try:
            return (await call(self.port, "GET", "/healthz")).status == 200
        except (OSError, EOFError):  # nobody listens, or it is just ending
            return False

    async def health(self, path: str) -> dict[str, Any]:
        """Return what a probe is told, well or not."""
        return (await call(self.port, "GET", path)).json()

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def terminate(self) -> int:
        """Ask it to stop, wait, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(40):
            return await self.process.wait()

    async def api(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """Call the API as the operator."""
        return await call(self.port, method, "/api/v1" + path, body, **{"token": API_KEY, **options})

    async def destination(self, tenant: str, url: str, **fields: Any) -> str:
        """Create tenant and webhook destination; return the destination's id."""
        await self.api("PUT", f"/tenants/{tenant}")
        wanted = {"type": "webhook", "topics": ["*"], "config": {"url": url}, **fields}
        answer = await self.api("POST", f"/tenants/{tenant}/destinations", wanted)
        assert answer.status == 201, answer.body
        return str(answer.json()["id"])

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Read the database file itself."""
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(query, parameters).fetchall()
        finally:
            connection.close()

    async def until(self, query: str, value: Any, *, seconds: float = 60) -> None:
        """Wait until the first value that `query` finds in the file is this one."""
        async with asyncio.timeout(seconds):
            while self.rows(query)[0][0] != value:
                await asyncio.sleep(0.05)

    async def until_settled(self, seconds: float = 60) -> None:
        """Wait until no task is left."""
        await self.until("SELECT count(*) FROM tasks", 0, seconds=seconds)

    def _environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
        return {**inherited, "PYTHONWARNINGS": "default", **self.settings, **settings}

    async def __aenter__(self) -> "OutpostProcess":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.kill()


@asynccontextmanager
async def running_outpost(folder: Path, **settings: str) -> AsyncIterator[OutpostProcess]:
    """A migrated and started Outpost, killed at the end if it still runs."""
    async with OutpostProcess(folder, settings) as outpost:
        await outpost.migrate()
        await outpost.start()
        yield outpost
