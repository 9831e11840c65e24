"""The Kubernetes manifests: their form, and what their containers run."""

from typing import Any

import pytest

from outpost.config.settings import SETTINGS
from tests.support.image import SECRETS, Container
from tests.support.manifests import NEWEST, OLDEST, containers, fault, manifests, pods

ALL = manifests()
PODS = {name: pod for name, manifest in ALL.items() for pod in pods(manifest)}
MIGRATING = ["deployment.yaml", "helm-hook.yaml", "job.yaml"]
MIGRATE = ["outpost", "migrate", "apply", "--yes"]


def _run(container: Container, spec: dict[str, Any], **settings: str) -> int:
    """Run what a container of a pod would run: `command` in place of the entry point, then `args`."""
    return container.run(*spec.get("args", []), entrypoint=spec.get("command"), **settings).code


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", ALL)
def test_the_manifest_fits_the_schema_of_kubernetes(name: str, version: str) -> None:
    assert fault(ALL[name], version=version) == ""


def test_a_manifest_with_an_unknown_field_would_be_found() -> None:
    assert "comand" in fault({**ALL["job.yaml"], "comand": []}, version=NEWEST)


@pytest.mark.parametrize("name", PODS)
def test_no_container_runs_as_root_or_may_become_it(name: str) -> None:
    assert PODS[name]["securityContext"]["runAsNonRoot"] is True
    for spec in containers(PODS[name]):
        assert spec["securityContext"]["allowPrivilegeEscalation"] is False
        assert spec["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize("name", PODS)
def test_every_container_has_the_configuration_of_the_server(name: str) -> None:
    secret = ALL["secret.example.yaml"]["metadata"]["name"]

    for spec in containers(PODS[name]):
        assert spec["image"] == "outpost"
        assert spec["envFrom"] == [{"secretRef": {"name": secret}}]


@pytest.mark.parametrize("name", MIGRATING)
def test_the_migration_runs_and_ends_well_again_and_again(name: str, embedded: Container) -> None:
    spec = containers(PODS[name])[0]

    assert spec["command"] == MIGRATE
    assert [_run(embedded, spec), _run(embedded, spec)] == [0, 0]


def test_the_pods_of_the_deployment_serve_after_their_init_container(embedded: Container) -> None:
    pod = PODS["deployment.yaml"]
    _run(embedded, pod["initContainers"][0])
    (spec,) = pod["containers"]

    assert embedded.serves(*spec.get("args", []), entrypoint=spec["command"])


def test_the_embedded_pod_migrates_its_file_and_serves(container: Container) -> None:
    (spec,) = PODS["embedded.yaml"]["containers"]
    settings = {variable["name"]: variable["value"] for variable in spec["env"]}

    assert container.serves(*spec.get("args", []), entrypoint=spec["command"], **settings)


def test_the_embedded_pod_has_the_file_in_its_volume_and_is_alone() -> None:
    manifest = ALL["embedded.yaml"]
    (spec,) = PODS["embedded.yaml"]["containers"]

    assert (manifest["kind"], manifest["spec"]["replicas"]) == ("StatefulSet", 1)
    assert spec["env"][0]["value"].startswith(spec["volumeMounts"][0]["mountPath"] + "/")


@pytest.mark.parametrize("name", ["deployment.yaml", "embedded.yaml"])
def test_the_probes_ask_the_port_of_the_server(name: str) -> None:
    spec = PODS[name]["containers"][0]
    probes = [spec[probe]["httpGet"] for probe in ("startupProbe", "readinessProbe")]
    port = next(row.default for row in SETTINGS if row.key.env == "API_PORT")

    assert probes == [{"path": "/healthz", "port": "http"}] * 2
    assert spec["ports"] == [{"name": "http", "containerPort": port}]


@pytest.mark.parametrize("name", ["deployment.yaml", "embedded.yaml"])
def test_the_service_finds_the_pods(name: str) -> None:
    service, labels = ALL["service.yaml"]["spec"], ALL[name]["spec"]["template"]["metadata"]["labels"]

    assert service["selector"].items() <= labels.items()
    assert service["ports"][0]["targetPort"] == PODS[name]["containers"][0]["ports"][0]["name"]


def test_the_secret_names_settings_only_and_holds_no_secret() -> None:
    values = ALL["secret.example.yaml"]["stringData"]

    assert values.keys() <= {row.key.env for row in SETTINGS}
    assert values.keys() >= SECRETS.keys()
    assert {value for name, value in values.items() if name != "REDIS_HOST"} == {""}


def test_helm_runs_the_hook_before_everything_else_and_removes_the_last_one_first() -> None:
    hook = {name.rpartition("/")[2]: text for name, text in ALL["helm-hook.yaml"]["metadata"]["annotations"].items()}

    assert hook["hook"] == "pre-install,pre-upgrade"
    assert "before-hook-creation" in hook["hook-delete-policy"]
    assert ALL["helm-hook.yaml"]["spec"]["template"] == ALL["job.yaml"]["spec"]["template"]
