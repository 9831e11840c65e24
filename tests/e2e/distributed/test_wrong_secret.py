"""A server that is started with another AES_ENCRYPTION_SECRET loses no delivery, whatever it does meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.support.process import OutpostProcess
from tests.support.receiver import Receiver

RIGHT = "test-aes-secret"


@pytest.fixture(params=["embedded", "distributed"])
async def outpost(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OutpostProcess]:
    stores = request.getfixturevalue("stores") if request.param == "distributed" else None
    settings = {"RETRY_SCHEDULE": "1,1,1", "DELIVERY_TIMEOUT_SECONDS": "1"}
    async with OutpostProcess(tmp_path, settings, stores=stores) as outpost:
        await outpost.migrate()
        await outpost.start()
        yield outpost


async def test_deliveries_of_older_destinations_wait_until_the_secret_is_put_right(
    outpost: OutpostProcess, receiver: Receiver
) -> None:
    receiver.answer("/old", 500)
    await outpost.destination("old", receiver.url("/old"))
    event_id = await _publish(outpost, "old")
    await receiver.until(1, "/old")
    await _restart(outpost, "mistyped")
    receiver.answer("/old", 200)
    await outpost.destination("new", receiver.url("/new"))
    await _publish(outpost, "new")
    await receiver.until(1, "/new")

    refused = await outpost.api("POST", "/publish", {"tenant_id": "old", "topic": "t", "data": {}})
    waiting = outpost.log.read_bytes().count(b"delivery waits")
    await _until_logged(outpost, b"delivery waits", waiting + 1)
    await _restart(outpost, RIGHT)

    assert refused.status == 500
    assert b"AES_ENCRYPTION_SECRET opens 0 of 1 stored credentials" in outpost.log.read_bytes()
    assert await _attempts(outpost, event_id, 2) == [("1", "failed", "500"), ("2", "success", "200")]


async def test_where_the_old_secret_is_lost_destinations_can_be_created_changed_and_mended(
    outpost: OutpostProcess, receiver: Receiver
) -> None:
    lost = await outpost.destination("old", receiver.url("/old"))
    path = f"/tenants/old/destinations/{lost}"
    outpost.settings["ALLOW_LOST_CREDENTIALS"] = "true"
    await _restart(outpost, "a new secret")

    event_id = await _publish(outpost, "old")
    failed = await _attempts(outpost, event_id, 1)
    answers = [
        await outpost.api("GET", path),
        await outpost.api("PUT", f"{path}/disable"),
        await outpost.api("PUT", f"{path}/enable"),
        await outpost.api("PATCH", path, {"topics": ["t"]}),
        await outpost.api("PATCH", path, {"credentials": {"secret": "whsec_0123456789abcdef"}}),
    ]
    await outpost.destination("old", receiver.url("/new"))
    await _publish(outpost, "old")

    assert failed[0] == ("1", "failed", "ERR")
    assert [answer.status for answer in answers] == [200] * 5
    await receiver.until(1, "/old")
    await receiver.until(1, "/new")


async def _publish(outpost: OutpostProcess, tenant: str) -> str:
    answer = await outpost.api("POST", "/publish", {"tenant_id": tenant, "topic": "t", "data": {}})
    assert answer.status == 202, answer.body
    return str(answer.json()["id"])


async def _restart(outpost: OutpostProcess, secret: str) -> None:
    await outpost.terminate()
    outpost.settings["AES_ENCRYPTION_SECRET"] = secret
    await outpost.start()


async def _until_logged(outpost: OutpostProcess, line: bytes, count: int) -> None:
    async with asyncio.timeout(20):
        while outpost.log.read_bytes().count(line) < count:
            await asyncio.sleep(0.05)


async def _attempts(outpost: OutpostProcess, event_id: str, count: int) -> Sequence[tuple[str, str, str]]:
    """Wait until so many attempts are recorded; return number, status and code of each."""
    async with asyncio.timeout(20):
        while True:
            models = (await outpost.api("GET", f"/attempts?event_id={event_id}")).json()["models"]
            if len(models) >= count:
                found = [(str(each["attempt_number"]), each["status"], each["code"]) for each in models]
                return sorted(found)
            await asyncio.sleep(0.05)
