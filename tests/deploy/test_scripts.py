"""The recipes that are scripts, run with programs that stand in for docker, kubectl and ssh."""

import shlex

import pytest

import outpost
from tests.support.image import Container
from tests.support.manifests import NEWEST, fault
from tests.support.stand_ins import StandIns

SQLITE = "SQLITE_PATH=/data/outpost.db\n"
MIGRATE = ["migrate", "apply", "--yes"]


@pytest.fixture
def configured(container: Container) -> Container:
    """A host whose working folder has the configuration of the server as `outpost.env`."""
    (container.data / "outpost.env").write_text(f"# the server's\n{SQLITE}")
    return container


def test_the_ci_step_migrates_with_the_new_version_and_then_deploys(configured: Container, stand_ins: StandIns) -> None:
    answer = stand_ins.run("deploy/ci-step", "echo", "now deploying", OUTPOST_VERSION="1.2.3")

    assert answer.code == 0, answer.err
    assert answer.out.index("Applied") < answer.out.index("now deploying")
    (asked,) = stand_ins.asked("docker")
    assert (asked["image"], asked["arguments"]) == ("outpost:1.2.3", MIGRATE)


def test_the_ci_step_deploys_nothing_after_a_failed_migration(configured: Container, stand_ins: StandIns) -> None:
    (configured.data / "outpost.db").write_bytes(b"no database at all, but long enough to be read as one" * 30)

    answer = stand_ins.run("deploy/ci-step", "echo", "now deploying", OUTPOST_VERSION="1.2.3")

    assert answer.code == 16
    assert "now deploying" not in answer.out


def test_the_ci_step_asks_for_the_version(configured: Container, stand_ins: StandIns) -> None:
    answer = stand_ins.run("deploy/ci-step", "echo", "now deploying")

    assert answer.code != 0
    assert "OUTPOST_VERSION" in answer.err
    assert stand_ins.asked("docker") == []


def test_the_pre_deploy_hook_shows_the_plan_and_migrates(container: Container, stand_ins: StandIns) -> None:
    settings = {"SQLITE_PATH": str(container.data / "outpost.db")}

    first = stand_ins.run("deploy/pre-deploy", **settings)
    second = stand_ins.run("deploy/pre-deploy", **settings)

    assert (first.code, second.code) == (0, 0)
    assert first.out.index("1 migration is pending") < first.out.index("Applied")
    assert "Nothing to do" in second.out


def test_a_failing_pre_deploy_hook_says_so_by_its_exit_code(container: Container, stand_ins: StandIns) -> None:
    answer = stand_ins.run("deploy/pre-deploy", SQLITE_PATH=str(container.data / "nowhere" / "outpost.db"))

    assert answer.code == 17


def test_the_ssh_host_migrates_with_the_configuration_that_lies_there(
    configured: Container, stand_ins: StandIns
) -> None:
    answer = stand_ins.run("deploy/ssh-host", "app-server")

    assert answer.code == 0, answer.err
    assert "Applied" in answer.out
    assert [asked["host"] for asked in stand_ins.asked("ssh")] == ["app-server"]
    (asked,) = stand_ins.asked("docker")
    assert asked["arguments"] == MIGRATE


def test_the_one_off_pod_migrates_with_the_secret_of_the_server(container: Container, stand_ins: StandIns) -> None:
    stand_ins.add_secret("outpost-config", {"SQLITE_PATH": "/data/outpost.db"})

    answer = stand_ins.run("deploy/kubernetes/one-off-pod", "--namespace", "outpost")

    assert answer.code == 0, answer.err
    assert "Applied" in answer.out
    (asked,) = stand_ins.asked("kubectl")
    assert asked["pod"]["metadata"]["namespace"] == "outpost"
    assert fault(asked["pod"], version=NEWEST) == ""


def test_the_image_is_tagged_with_the_version_of_the_package(stand_ins: StandIns) -> None:
    answer = stand_ins.run("deploy/build-image", "--build-arg", "BASE=python:3.12-slim")

    assert answer.code == 0, answer.err
    (asked,) = stand_ins.asked("docker")
    assert shlex.join(asked["build"]) == (
        f"--build-arg VERSION={outpost.__version__} --tag outpost:{outpost.__version__} --tag outpost:latest "
        "--build-arg BASE=python:3.12-slim ."
    )
