"""The published Python SDKs run unchanged."""

import asyncio
import json
from pathlib import Path
from typing import Literal

import pytest

from tests.support.process import API_KEY, running_outpost
from tests.support.receiver import Receiver
from tests.support.sdk import sdk_python


@pytest.mark.parametrize("version", ["1.5.0", "1.7.0"])
async def test_the_sdk_goes_from_tenant_to_retry(tmp_path: Path, version: Literal["1.5.0", "1.7.0"]) -> None:
    python = sdk_python(version)
    async with Receiver() as receiver, running_outpost(tmp_path, TOPICS="user.created,user.updated") as outpost:
        journey = await asyncio.create_subprocess_exec(
            str(python),
            str(Path(__file__).with_name("sdk_journey.py")),
            f"http://127.0.0.1:{outpost.port}/api/v1",
            API_KEY,
            receiver.url("/ok"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await journey.communicate()

        assert journey.returncode == 0, err.decode()
        seen = json.loads(out)
        assert seen["tenants"] == [seen["tenant"]] == ["sdk"]
        assert seen["listed"] == seen["matched"] == [seen["destination"]]
        assert seen["attempts"] == [[1, False, "success"], [2, True, "success"]]
        assert seen["event_data"] == {"n": 1}
        assert seen["events"] == [seen["event"]]
        assert seen["response_status"] == 200
        assert seen["token_tenant"] == "sdk"
        assert seen["portal"] == f"http://127.0.0.1:{outpost.port}/"
        assert seen["disabled"]
        assert seen["updated"] == {"a": "b"}
        assert "webhook" in seen["types"]
        assert seen["topics"] == ["user.created", "user.updated"]
        assert seen["health"] == "healthy"
        assert seen["retried"]
        assert seen["deleted"]
        assert len(receiver.requests("/ok")) == 2
