"""The Compose files: their form, and what their services run."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from outpost.cli.options import SettingFlags
from outpost.config.settings import SETTINGS
from tests.support.checkout import ROOT
from tests.support.environments import interpreter
from tests.support.image import SECRETS, Container

FILES = sorted((ROOT / "deploy" / "compose").glob("*/compose.yaml"))
EMBEDDED = ROOT / "deploy" / "compose" / "embedded"
DISTRIBUTED = ROOT / "deploy" / "compose" / "distributed"
ROLES = ROOT / "deploy" / "compose" / "roles"

_STORES = {"REDIS_HOST": "redis", "POSTGRES_URL": "postgres://outpost@postgres/outpost"}


def _services(file: Path) -> dict[str, dict[str, Any]]:
    return yaml.safe_load(file.read_text())["services"]


def _example(folder: Path) -> dict[str, str]:
    lines = (folder / "example.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _environment(folder: Path, service: str, filled_in: dict[str, str]) -> dict[str, str]:
    """Return what a service sees when .env is the example with `filled_in`, as Compose puts it together."""
    variables = {**_example(folder), **filled_in}
    own = _services(folder / "compose.yaml")[service].get("environment", {})
    replaced = {
        name: re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: variables[found[1]], value) for name, value in own.items()
    }
    return {**variables, **replaced}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_the_file_fits_the_compose_specification(file: Path) -> None:
    checker = interpreter("manifests").with_name("check-jsonschema")

    done = subprocess.run([checker, "--builtin-schema", "vendor.compose-spec", file], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_the_server_waits_for_the_migration_and_the_migration_for_its_stores(file: Path) -> None:
    services = _services(file)
    healthy = {name: on["condition"] for name, on in services["migrate"].get("depends_on", {}).items()}

    assert services["outpost"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert set(healthy) == {"redis", "postgres"} & set(services)
    assert set(healthy.values()) <= {"service_healthy"}
    for service in services.values():
        for name in service.get("depends_on", {}):
            assert name == "migrate" or services[name]["healthcheck"]["test"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_both_services_have_the_same_image_and_configuration(file: Path) -> None:
    services = _services(file)

    for name in ("image", "env_file", "environment", "volumes"):
        assert services["migrate"].get(name) == services["outpost"].get(name), name


def test_the_commands_of_the_embedded_services_migrate_and_serve(container: Container) -> None:
    services = _services(EMBEDDED / "compose.yaml")
    settings = _environment(EMBEDDED, "migrate", SECRETS)

    assert container.run(*services["migrate"]["command"], **settings).code == 0
    assert container.serves(*services["outpost"]["command"], **settings)


def test_the_commands_of_the_distributed_services_are_the_same() -> None:
    embedded, distributed = _services(EMBEDDED / "compose.yaml"), _services(DISTRIBUTED / "compose.yaml")

    for service in ("migrate", "outpost"):
        assert distributed[service]["command"] == embedded[service]["command"]


def test_the_roles_are_those_of_the_program_and_differ_in_nothing_else() -> None:
    services = _services(ROLES / "compose.yaml")
    servers = {name: service for name, service in services.items() if service.get("command", [""])[0] == "serve"}

    roles = {SettingFlags(server["command"][1:]).load(_STORES).general.service for server in servers.values()}

    assert roles == {"api", "delivery", "log"}
    for server in servers.values():
        for name in ("image", "env_file", "environment", "depends_on"):
            assert server[name] == services["outpost"][name], name


def test_the_stores_are_those_of_the_other_recipe() -> None:
    together, apart = _services(DISTRIBUTED / "compose.yaml"), _services(ROLES / "compose.yaml")

    for store in ("redis", "postgres", "rabbitmq"):
        assert apart[store] == together[store]


@pytest.mark.parametrize("folder", [EMBEDDED, DISTRIBUTED, ROLES], ids=lambda folder: folder.name)
def test_the_configuration_is_understood_and_chooses_its_profile(container: Container, folder: Path) -> None:
    filled_in = {name: f"secret-{name}" for name, value in _example(folder).items() if not value and name != "TOPICS"}

    answer = container.run(
        "config",
        "list",
        **_environment(folder, "outpost", filled_in),
        PROFILE="embedded" if folder is EMBEDDED else "distributed",
    )

    assert answer.code == 0, answer.err
    assert "secret-" not in answer.out + answer.err


@pytest.mark.parametrize("folder", [EMBEDDED, DISTRIBUTED, ROLES], ids=lambda folder: folder.name)
def test_every_variable_is_a_setting_or_used_by_another_service(folder: Path) -> None:
    settings = {row.key.env for row in SETTINGS}
    file = folder / "compose.yaml"
    own = _services(file)["outpost"].get("environment", {})

    for name in {*_example(folder), *own}:
        assert name in settings or f"${{{name}:?" in file.read_text(), name


@pytest.mark.parametrize("folder", [EMBEDDED, DISTRIBUTED, ROLES], ids=lambda folder: folder.name)
def test_the_example_holds_no_secret(folder: Path) -> None:
    secret = {name for name in _example(folder) if re.search("KEY|SECRET|PASSWORD", name)}

    assert secret >= {"API_KEY", "API_JWT_SECRET", "AES_ENCRYPTION_SECRET"}
    assert {_example(folder)[name] for name in secret} == {""}
