"""Servers that tests talk to, each a process of its own with a folder of its own.

    with server_folder("postgres") as folder, ServerProcess([program, "-D", folder], folder=folder) as server:
        server.wait_for("ready to accept connections")

Fixtures start one for the test process, so tests that run side by side never share a server.
"""

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TypedDict

from tests.support.missing import missing

_CHECKOUT = Path(__file__).parents[3]

START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_PAUSE_SECONDS = 0.02


def missing_server(name: str) -> NoReturn:
    """End the running test because no server `name` can be started here: skipped on a laptop, failed in CI."""
    missing(name, remedy="`make test` installs it where it can; otherwise put it on PATH")


def server_program(name: str, *patterns: str) -> Path:
    """Return the newest file that matches one of `patterns`, else `name` on PATH, else end the running test."""
    for pattern in patterns:
        if found := sorted(glob.glob(pattern)):
            return Path(found[-1])
    if on_path := shutil.which(name):
        return Path(on_path)
    missing_server(name)


def program(name: str, *, cached: str) -> str:
    """Return the path of a server program: from PATH, else where `tools/test-servers` unpacked it.

    Args:
        cached: Its place in `.cache/`; a test run outside the checkout is told by SIDE_ENVIRONMENTS where that is.
    """
    unpacked = Path(os.environ.get("SIDE_ENVIRONMENTS") or _CHECKOUT / ".cache") / cached
    found = shutil.which(name) or (str(unpacked) if unpacked.exists() else None)
    return found or missing_server(name)


def free_port(*, highest: int = 65535) -> int:
    """Return a port of 127.0.0.1 that nobody listens on at this moment; starting a server on it may still fail."""
    held: list[socket.socket] = []
    try:
        while True:
            probe = socket.socket()
            held.append(probe)  # until the end, so that the next probe gets another port
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            if port <= highest:
                return port
    finally:
        for probe in held:
            probe.close()


@contextmanager
def server_folder(name: str) -> Iterator[Path]:
    """Yield a new folder that the user `server_user` owns; it is removed at the end."""
    with tempfile.TemporaryDirectory(prefix=f"outpost-{name}-", ignore_cleanup_errors=True) as folder:
        hand_over(Path(folder))
        yield Path(folder)


def hand_over(path: Path) -> None:
    """Make the user that servers run as the owner of `path`."""
    user = server_user()
    os.chown(path, user.get("user", -1), user.get("group", -1))  # -1: as it is


class ServerUser(TypedDict, total=False):
    """Arguments of `Popen`."""

    user: int
    group: int
    extra_groups: Iterable[int]


def server_user() -> ServerUser:
    """Return how `Popen` is told to run a server: as nobody where we are root, which most servers refuse to run as."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": ()}


def server_environment(folder: Path, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a clean environment, so that nothing a developer has set reaches a server."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", **(settings or {})}


class ServerProcess:
    """A server from its start to its end; what it prints is in `log`."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        as_other_user: bool = True,
    ) -> None:
        """Prepare a server; `with` starts and stops it.

        Args:
            folder: Where it runs, and where its log is written.
            environment: Added to a clean one.
            stop_signal: What makes it stop soon, whoever is connected.
            as_other_user: Whether it runs as nobody where we are root.
        """
        self.log = folder / f"{Path(command[0]).name}.log"
        self._command = [*_ends_with_us(stop_signal), *map(str, command)]
        self._folder = folder
        self._environment = server_environment(folder, environment)
        self._stop_signal = stop_signal
        self._user = server_user() if as_other_user else ServerUser()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self) -> None:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl-C at the tests must not pull servers from under them
                **self._user,
            )

    def wait_for(self, text: str, *, seconds: float = START_SECONDS) -> str:
        """Wait until the server has printed `text` and return all it has printed."""
        assert self._process is not None, "not started"
        deadline = time.monotonic() + seconds
        while text not in (printed := self.log.read_text(errors="replace")):
            if self._process.poll() is not None:
                raise RuntimeError(f"{self._command} ended with {self._process.returncode}:\n{printed}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._command} has not said {text!r} within {seconds:g} s:\n{printed}")
            time.sleep(_PAUSE_SECONDS)
        return printed

    def stop(self) -> None:
        """Ask the server to stop, wait until it has, and kill it if it takes too long."""
        self._end(self._stop_signal)

    def kill(self, *, with_children: bool = False) -> None:
        """End the server as a crash would.

        Args:
            with_children: Where what was started is a script that runs the server, and would leave it behind.
        """
        if with_children:
            os.killpg(self.pid, signal.SIGKILL)  # it leads a group of its own
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> "ServerProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _ends_with_us(stop_signal: signal.Signals) -> list[str]:
    """Return what makes the kernel stop a server when the tests are killed; only Linux can."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", stop_signal.name.removeprefix("SIG"), "--"] if setpriv else []
