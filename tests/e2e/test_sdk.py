"""The published Python SDKs run unchanged."""

from pathlib import Path

import pytest

from tests.support.process import running_outpost
from tests.support.receiver import Receiver
from tests.support.sdk import SdkVersion, take_sdk_journey


@pytest.mark.parametrize("version", ["1.5.0", "1.7.0"])
async def test_the_sdk_goes_from_tenant_to_retry(tmp_path: Path, version: SdkVersion) -> None:
    async with Receiver() as receiver, running_outpost(tmp_path, TOPICS="user.created,user.updated") as outpost:
        await take_sdk_journey(version, outpost, receiver, tenant="sdk")
