"""The image, built by buildah on a base made by debootstrap, and run in a chroot: no daemon, no registry of images."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import outpost
from tests.support.checkout import ROOT
from tests.support.missing import missing

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

# What the machine knows about reaching packages; a base image knows nothing.
_OF_THE_MACHINE = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf"]


class Buildah:
    """`buildah` with a store of its own."""

    def __init__(self, folder: Path) -> None:
        store = ["--storage-driver", "vfs", "--root", f"{folder}/store", "--runroot", f"{folder}/run"]
        self.command = ["buildah", *store]

    def __call__(self, *arguments: str | Path, ok: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([*self.command, *arguments], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0 or not ok, done.stdout + done.stderr
        return done


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    for program in ("buildah", "debootstrap"):
        if shutil.which(program) is None:
            missing(program, remedy=f"apt-get install {program}")
    if os.geteuid() != 0:
        missing("root", remedy="debootstrap makes a root file system, which only root can")
    folder = tmp_path_factory.mktemp("buildah")
    yield Buildah(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def built(buildah: Buildah, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A container of the image."""
    root = tmp_path_factory.mktemp("base") / "root"
    packages = "--include=python3,python3-venv,ca-certificates"
    debootstrap = ["debootstrap", "--variant=minbase", packages, "bookworm", root]
    subprocess.run(debootstrap, check=True, stdout=subprocess.DEVNULL)
    for file in filter(os.path.exists, _OF_THE_MACHINE):
        shutil.copy(file, f"{root}{file}")
    base = buildah("from", "scratch").stdout.strip()
    buildah("add", "--quiet", base, root, "/")
    shutil.rmtree(root)
    buildah("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", base)
    buildah("commit", "--quiet", base, "base")
    builder = " ".join([*buildah.command, "bud", "--isolation", "chroot", "--format", "docker"])
    done = subprocess.run(
        [ROOT / "deploy" / "build-image", "--build-arg", "BASE=localhost/base"],
        env={**os.environ, "BUILDER": builder},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return buildah("from", f"localhost/outpost:{outpost.__version__}").stdout.strip()


def _config(buildah: Buildah, container: str) -> dict[str, Any]:
    return json.loads(buildah("inspect", container).stdout)["OCIv1"]["config"]


def _run(buildah: Buildah, container: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the entry point of the image."""
    given = [f"--env={name}={value}" for name, value in settings.items()]
    entrypoint = _config(buildah, container)["Entrypoint"]
    return buildah("run", "--isolation", "chroot", *given, container, "--", *entrypoint, *arguments, ok=False)


def test_the_image_carries_the_version_and_another_user_than_root(buildah: Buildah, built: str) -> None:
    config = _config(buildah, built)

    assert config["Labels"]["org.opencontainers.image.version"] == outpost.__version__
    assert config["User"] == "10001:10001"


def test_the_image_tells_its_version_without_configuration(buildah: Buildah, built: str) -> None:
    assert _run(buildah, built, "--version").stdout == f"outpost {outpost.__version__}\n"


def test_the_image_migrates_its_volume_as_its_user_and_has_nothing_to_do_afterwards(
    buildah: Buildah, built: str
) -> None:
    settings = {"SQLITE_PATH": "/data/outpost.db"}

    first = _run(buildah, built, "migrate", "apply", "--yes", **settings)
    second = _run(buildah, built, "outpost", "migrate", "apply", "--yes", **settings)
    owner = buildah("run", "--isolation", "chroot", built, "--", "stat", "-c", "%u", "/data/outpost.db").stdout

    assert (first.returncode, second.returncode) == (0, 0)
    assert "Nothing to do" in second.stdout
    assert owner.strip() == "10001"


def test_the_server_in_the_image_is_the_default_and_asks_for_its_secrets(buildah: Buildah, built: str) -> None:
    answer = _run(buildah, built, SQLITE_PATH="/data/outpost.db")

    assert answer.returncode == 64
    assert "AES_ENCRYPTION_SECRET" in answer.stderr


def test_nothing_in_the_image_can_install_packages(buildah: Buildah, built: str) -> None:
    done = buildah("run", "--isolation", "chroot", built, "--", "python3", "-m", "pip", "--version", ok=False)

    assert done.returncode != 0
