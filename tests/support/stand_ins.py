"""Programs that the recipes call, in the place of the real ones: docker, kubectl, ssh.

They understand the options that the recipes use and refuse any other. A container is a process of the laid-out image
with just the environment that the options give it. What each was asked is written down.

    stand_ins.run("deploy/ci-step", "true")     runs a recipe with these programs first on PATH
    stand_ins.asked("docker")                   what docker was asked, in order
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkout import ROOT
from tests.support.image import Container, Ended, Image

_FOLDER = "STAND_INS"  # the environment variable that tells the programs where their files are


class StandIns:
    """The programs, with the world that they act on: secrets of a cluster, addresses behind a host."""

    def __init__(self, folder: Path, container: Container) -> None:
        self._folder = folder
        self._container = container
        self._asked = folder / "asked.ndjson"
        self._world: dict[str, Any] = {
            "image": str(container.image.root),
            "data": str(container.data),
            "secrets": {},
            "behind": {},
            "taken": [],
        }
        (folder / "bin").mkdir(parents=True)
        for name in _PROGRAMS:
            program = folder / "bin" / name
            start = f"exec {shlex.quote(sys.executable)} -m tests.support.stand_ins {name}"
            program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} {start} "$@"\n')
            program.chmod(0o755)

    def add_secret(self, name: str, settings: Mapping[str, str]) -> None:
        self._world["secrets"][name] = dict(settings)

    def put_behind_the_host(self, address: str, port: int) -> None:
        """Let a port that is forwarded to `address` lead to `port` of this machine."""
        self._world["behind"][address] = port

    def take_port(self, port: int) -> None:
        """Let another program of this machine listen on `port`, so that it cannot be forwarded."""
        self._world["taken"].append(port)

    def run(self, recipe: str, *arguments: str, **environment: str) -> Ended:
        """Run a recipe of the checkout in the container's data folder."""
        return self.sh(shlex.join([str(ROOT / recipe), *arguments]), **environment)

    def sh(self, text: str, **environment: str) -> Ended:
        """Run lines of shell in the container's data folder."""
        (self._folder / "world.json").write_text(json.dumps(self._world))
        path = f"{self._folder / 'bin'}:{self._container.image.environment['PATH']}"
        done = subprocess.run(
            ["/bin/sh", "-c", text],
            cwd=self._container.data,
            env={"PATH": path, "HOME": str(self._folder), _FOLDER: str(self._folder), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def asked(self, program: str) -> list[dict[str, Any]]:
        lines = self._asked.read_text().splitlines() if self._asked.exists() else []
        return [line for line in map(json.loads, lines) if line.pop("program") == program]


@pytest.fixture
def stand_ins(tmp_path: Path, container: Container) -> StandIns:
    """The programs, and containers that share the volume of `container`."""
    return StandIns(tmp_path / "stand-ins", container)


def _docker(arguments: list[str]) -> int:
    if arguments[0] == "build":
        _write_down("docker", build=arguments[1:])
        return 0
    parser = argparse.ArgumentParser(prog="docker", allow_abbrev=False)
    run = parser.add_subparsers(dest="command", required=True).add_parser("run", allow_abbrev=False)
    run.add_argument("--rm", action="store_true", required=True)
    run.add_argument("-it", action="store_true")
    run.add_argument("--network", choices=["host"])
    run.add_argument("--env-file", type=Path)
    run.add_argument("-e", action="append", default=[], dest="env")
    run.add_argument("image")
    run.add_argument("arguments", nargs=argparse.REMAINDER)
    asked = parser.parse_args(arguments)
    given = dict(_assignment(text) for text in asked.env)
    settings = {**(_env_file(asked.env_file) if asked.env_file else {}), **given}
    _write_down("docker", image=asked.image, arguments=asked.arguments, settings=settings)
    return _contain(settings, *asked.arguments)


def _kubectl(arguments: list[str]) -> int:
    split = arguments.index("--")
    parser = argparse.ArgumentParser(prog="kubectl", allow_abbrev=False)
    run = parser.add_subparsers(dest="command", required=True).add_parser("run", allow_abbrev=False)
    run.add_argument("name")
    run.add_argument("--rm", action="store_true")
    run.add_argument("--attach", action="store_true")
    run.add_argument("--restart", choices=["Never"], required=True)
    run.add_argument("--image", required=True)
    run.add_argument("--override-type", choices=["strategic"], required=True)
    run.add_argument("--overrides", type=json.loads, required=True)
    run.add_argument("--namespace", default="default")
    asked = parser.parse_args(arguments[:split])
    container = {"name": asked.name, "image": asked.image, "args": arguments[split + 1 :]}
    # A strategic merge puts containers of one name together.
    (override,) = asked.overrides["spec"]["containers"]
    assert override["name"] == asked.name
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": asked.name, "namespace": asked.namespace},
        "spec": {
            **asked.overrides["spec"],
            "restartPolicy": asked.restart,
            "containers": [{**container, **override}],
        },
    }
    _write_down("kubectl", pod=pod)
    secrets = [source["secretRef"]["name"] for source in override["envFrom"]]
    settings = {key: value for name in secrets for key, value in _world()["secrets"][name].items()}
    return _contain(settings, *container["args"])


def _ssh(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="ssh", allow_abbrev=False)
    parser.add_argument("-f", action="store_true")
    parser.add_argument("-L", dest="forward")
    parser.add_argument("-o", choices=["ExitOnForwardFailure=yes"], dest="option")
    parser.add_argument("host")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args(arguments)
    _write_down("ssh", host=asked.host, command=asked.command, forward=asked.forward)
    if asked.forward:
        port, _, _ = asked.forward.partition(":")
        is_fatal = asked.option is not None  # without it, ssh only warns
        return 255 if is_fatal and int(port) in _world()["taken"] else 0
    return subprocess.run(["/bin/sh", "-c", " ".join(asked.command)]).returncode  # as the other side does


def _contain(settings: dict[str, str], *arguments: str) -> int:
    """Run the entry point in place of this process."""
    world = _world()
    for forward in (asked["forward"] for asked in _asked_of("ssh") if asked["forward"]):
        port, _, address = forward.partition(":")
        if settings.get("REDIS_HOST") == "127.0.0.1" and settings.get("REDIS_PORT") == port:
            settings = {**settings, "REDIS_PORT": str(world["behind"][address])}
    container = Container(Image(Path(world["image"])), Path(world["data"]), settings)
    program, *rest = container.image.entrypoint
    os.chdir(container.data)
    os.execve(container.image.program(program), [program, *rest, *arguments], container.environment())


def _assignment(text: str) -> tuple[str, str]:
    """Read `NAME=value`, or `NAME` for the value that this process has."""
    name, found, value = text.partition("=")
    return name, value if found else os.environ[name]


def _env_file(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _world() -> dict[str, Any]:
    return json.loads((Path(os.environ[_FOLDER]) / "world.json").read_text())


def _asked_of(program: str) -> list[dict[str, Any]]:
    path = Path(os.environ[_FOLDER]) / "asked.ndjson"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in map(json.loads, lines) if line["program"] == program]


def _write_down(program: str, **asked: Any) -> None:
    with (Path(os.environ[_FOLDER]) / "asked.ndjson").open("a") as file:
        file.write(json.dumps({"program": program, **asked}) + "\n")


_PROGRAMS = {"docker": _docker, "kubectl": _kubectl, "ssh": _ssh}

if __name__ == "__main__":
    sys.exit(_PROGRAMS[sys.argv[1]](sys.argv[2:]))
