"""Kubernetes manifests: read from the checkout, and held to the schemas of Kubernetes itself."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.support.checkout import ROOT
from tests.support.environments import interpreter

FOLDER = ROOT / "deploy" / "kubernetes"
OLDEST, NEWEST = "1.28", "1.37"

_VALIDATE = """
import json, sys, kubernetes_validate
kubernetes_validate.validate(json.load(sys.stdin), sys.argv[1], strict=True)
"""


def manifests() -> dict[str, Any]:
    """Return each manifest by the name of its file."""
    return {path.name: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yaml"))}


def fault(manifest: Any, *, version: str) -> str:
    """Return what a version of Kubernetes has against a manifest, unknown fields included; empty if nothing."""
    command = [interpreter("manifests"), "-c", _VALIDATE, version]
    return subprocess.run(command, input=json.dumps(manifest), capture_output=True, text=True).stderr


def pods(manifest: Any) -> Iterator[dict[str, Any]]:
    """Yield the specification of each pod that a manifest makes."""
    if manifest["kind"] == "Pod":
        yield manifest["spec"]
    elif template := manifest.get("spec", {}).get("template"):
        yield template["spec"]


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def named(path: str | Path) -> Any:
    return manifests()[Path(path).name]
