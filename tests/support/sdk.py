"""Programs that speak to Outpost from environments of their own, because they share no set of dependencies with it."""

import asyncio
import json
from pathlib import Path
from typing import Any, Literal

from tests.support.checkout import ROOT
from tests.support.environments import interpreter
from tests.support.process import API_KEY, OutpostProcess
from tests.support.receiver import Receiver

SdkVersion = Literal["1.5.0", "1.7.0"]


def sdk_python(version: SdkVersion) -> Path:
    """Return the interpreter of an environment that has this release of `outpost-sdk`."""
    return interpreter(f"sdk-{version}")


def schemathesis_program() -> Path:
    """Return the program `schemathesis`."""
    return interpreter("schemathesis").with_name("schemathesis")


async def take_sdk_journey(version: SdkVersion, outpost: OutpostProcess, receiver: Receiver, *, tenant: str) -> None:
    """Go from a new tenant to a retry with the published SDK, and check what it saw.

    Args:
        outpost: Configured with the topics user.created and user.updated.
    """
    path = f"/{tenant}"
    journey = await asyncio.create_subprocess_exec(
        str(sdk_python(version)),
        str(ROOT / "tests" / "e2e" / "sdk_journey.py"),
        f"http://127.0.0.1:{outpost.port}/api/v1",
        API_KEY,
        receiver.url(path),
        tenant,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await journey.communicate()
    assert journey.returncode == 0, err.decode()
    _check(json.loads(out), outpost, tenant)
    assert len(receiver.requests(path)) == 2


def _check(seen: dict[str, Any], outpost: OutpostProcess, tenant: str) -> None:
    assert seen["tenants"] == [seen["tenant"]] == [tenant]
    assert seen["listed"] == seen["matched"] == [seen["destination"]]
    assert seen["attempts"] == [[1, False, "success"], [2, True, "success"]]
    assert seen["event_data"] == {"n": 1}
    assert seen["events"] == [seen["event"]]
    assert seen["response_status"] == 200
    assert seen["token_tenant"] == tenant
    assert seen["portal"] == f"http://127.0.0.1:{outpost.port}/"
    assert seen["disabled"]
    assert seen["updated"] == {"a": "b"}
    assert "webhook" in seen["types"]
    assert seen["topics"] == ["user.created", "user.updated"]
    assert seen["health"] == "healthy"
    assert seen["retried"]
    assert seen["deleted"]
