"""The API document describes the routes that are there."""

from typing import Any

import pytest
import yaml

from tests.support.api import InProcessOutpost
from tests.support.checkout import ROOT

PATHS: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())["paths"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_described_path_has_the_methods_that_are_described(outpost: InProcessOutpost, path: str) -> None:
    described = {name.upper() for name in PATHS[path] if name != "parameters"}

    answer = await outpost.api("OPTIONS", path.replace("{", "").replace("}", ""))

    assert answer.status == 405
    assert {*answer.headers["allow"].split(", ")} - {"HEAD"} == described
