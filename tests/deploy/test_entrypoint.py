"""The image's entry point, run as a process with the arguments that people give to containers."""

import pytest

import outpost
from tests.support.image import Container
from tests.support.servers import free_port


@pytest.mark.parametrize("arguments", [["--version"], ["outpost", "--version"]])
def test_the_version_needs_no_configuration(container: Container, arguments: list[str]) -> None:
    answer = container.run(*arguments)

    assert (answer.code, answer.out) == (0, f"outpost {outpost.__version__}\n")


def test_a_pod_whose_command_replaces_the_entry_point_finds_outpost_on_the_path(container: Container) -> None:
    answer = container.run("--version", entrypoint=["outpost"])

    assert answer.out == f"outpost {outpost.__version__}\n"


def test_the_package_is_the_one_in_the_image(container: Container) -> None:
    answer = container.run("-c", "import outpost; print(outpost.__file__)", entrypoint=["python3"])

    assert answer.out.startswith(f"{container.image.root}/opt/outpost/")


@pytest.mark.parametrize("arguments", [["migrate", "apply", "--yes"], ["outpost", "migrate", "apply", "--yes"]])
def test_migrate_apply_works_however_it_is_written(embedded: Container, arguments: list[str]) -> None:
    first, second = embedded.run(*arguments), embedded.run(*arguments)

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert "sqlite/000001_initial" in first.out
    assert "Nothing to do" in second.out


@pytest.mark.parametrize("arguments", [[], ["serve"], ["outpost", "serve"]])
def test_the_server_runs_without_arguments_and_when_named(embedded: Container, arguments: list[str]) -> None:
    embedded.run("migrate", "apply", "--yes")

    assert embedded.serves(*arguments)


def test_the_server_refuses_to_start_before_the_migration(embedded: Container) -> None:
    answer = embedded.run(API_KEY="k", API_JWT_SECRET="j", AES_ENCRYPTION_SECRET="a")

    assert answer.code == 10
    assert "outpost migrate apply" in answer.err


def test_arguments_with_spaces_arrive_whole(container: Container) -> None:
    answer = container.run("a command", "with spaces")

    assert answer.code == 64
    assert "'a command'" in answer.err


def test_the_health_check_fails_while_nobody_listens(container: Container) -> None:
    assert not container.healthy(free_port())
