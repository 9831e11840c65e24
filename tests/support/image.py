"""What the image holds, laid out in a folder, and containers of it as plain processes.

    container                   one container with a data volume of its own
    container.run("migrate", "apply", "--yes", SQLITE_PATH="/data/outpost.db")

There is no isolation. The package comes from the wheel, the scripts from where the Dockerfile copies them, entry point
and environment from its instructions, so that a recipe is run with exactly the arguments it has. Paths under `/data` in
settings become paths in the volume.
"""

import json
import os
import shutil
import signal
import site
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.dockerfile import stages
from tests.support.servers import free_port

SECRETS = {"API_KEY": "test-key", "API_JWT_SECRET": "test-jwt-secret", "AES_ENCRYPTION_SECRET": "test-aes-secret"}
_SECONDS = 60.0


class Image:
    """The files of the image under one folder, and what the Dockerfile says about running them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        final = stages()[-1]
        search = [f"{root}{folder}" for folder in final.environment["PATH"].split(":")]
        self.environment = {**final.environment, "PATH": ":".join([*search, "/usr/bin", "/bin"]), "HOME": "/"}
        self.entrypoint: list[str] = json.loads(final.value("ENTRYPOINT"))
        self.healthcheck: list[str] = json.loads(final.value("HEALTHCHECK").partition(" CMD ")[2])

    def program(self, name: str) -> str:
        found = shutil.which(name, path=self.environment["PATH"])
        assert found, f"{name} is not on the PATH of the image"
        return found


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


class Container:
    """Processes that share the image, a data volume and some settings."""

    def __init__(self, image: Image, data: Path, settings: Mapping[str, str] | None = None) -> None:
        self.image = image
        self.data = data
        self.settings = dict(settings or {})
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, entrypoint: Sequence[str] | None = None, **settings: str) -> subprocess.Popen[str]:
        """Start the entry point with `arguments`; the caller waits for the end, and `stop` makes sure of it.

        Args:
            entrypoint: Runs instead of the image's own, as `command` of a pod does.
        """
        program, *rest = self.image.entrypoint if entrypoint is None else entrypoint
        process = subprocess.Popen(
            [self.image.program(program), *rest, *arguments],
            cwd=self.data,
            env=self.environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def run(self, *arguments: str, entrypoint: Sequence[str] | None = None, **settings: str) -> Ended:
        """Run the entry point with `arguments` to its end."""
        return ended(self.start(*arguments, entrypoint=entrypoint, **settings))

    def environment(self, settings: Mapping[str, str] | None = None) -> dict[str, str]:
        given = {**self.settings, **(settings or {})}
        inside = {name: self._in_volume(value) for name, value in given.items()}
        return {**self.image.environment, **inside}

    def healthy(self, port: int) -> bool:
        """Ask as the runtime does."""
        program, *rest = self.image.healthcheck
        answer = self.run(*rest, entrypoint=[program], API_PORT=str(port))
        return answer.code == 0

    def until_healthy(self, server: subprocess.Popen[str], port: int) -> None:
        deadline = time.monotonic() + _SECONDS
        while not self.healthy(port):
            assert server.poll() is None, ended(server)
            assert time.monotonic() < deadline, "not healthy in time"

    def serves(self, *arguments: str, entrypoint: Sequence[str] | None = None, **settings: str) -> bool:
        """Run a server until it is healthy, stop it as a runtime does, and say whether it ended well."""
        port = free_port()
        server = self.start(*arguments, entrypoint=entrypoint, **{**SECRETS, **settings, "API_PORT": str(port)})
        self.until_healthy(server, port)
        server.send_signal(signal.SIGTERM)
        return ended(server).code == 0

    def stop(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def _in_volume(self, value: str) -> str:
        return f"{self.data}{value.removeprefix('/data')}" if value.startswith("/data/") else value


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end."""
    out, err = process.communicate(timeout=_SECONDS)
    return Ended(process.returncode, out, err)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image, from the checkout as it is."""
    root = tmp_path_factory.mktemp("image")
    for copy in stages()[-1].copies:
        target = root / copy.target.strip("/")
        if copy.stage:
            _install(target)
        for source in copy.sources if not copy.stage else ():
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, target)
    return Image(root)


@pytest.fixture
def container(image: Image, tmp_path: Path) -> Iterator[Container]:
    """A container without any setting."""
    data = tmp_path / "data"
    data.mkdir()
    container = Container(image, data)
    yield container
    container.stop()


@pytest.fixture
def embedded(container: Container) -> Container:
    """A container on a SQLite file in its volume."""
    container.settings |= {"SQLITE_PATH": "/data/outpost.db"}
    return container


def _install(folder: Path) -> None:
    """Make an environment in `folder` with the wheel in it; what the wheel depends on is that of the tests."""
    wheels = folder.parent / "wheels"
    build = ["-m", "hatchling", "build", "--target", "wheel", "--directory", str(wheels)]
    _python(sys.executable, *build)
    _python(sys.executable, "-m", "venv", "--without-pip", str(folder))
    (wheel,) = wheels.glob("*.whl")
    python = str(folder / "bin" / "python")
    _python(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", str(wheel))
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(_python(python, "-c", where).strip())
    # Named in a .pth file, their own .pth files are not read: so the checkout stays out of reach.
    (packages / "dependencies.pth").write_text("".join(f"{path}\n" for path in site.getsitepackages()))


def _python(python: str, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([python, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
