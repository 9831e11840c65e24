"""Past the limit on what may wait, publishing is refused, and taken up again when there is room."""

import asyncio
from pathlib import Path

from tests.support.process import OutpostProcess, running_outpost
from tests.support.receiver import Receiver

_LIMIT = 50
_EVENT = {"tenant_id": "acme", "topic": "t", "data": {}}


async def _publish_until_refused(outpost: OutpostProcess) -> list[str]:
    accepted: list[str] = []
    while (answer := await outpost.api("POST", "/publish", _EVENT)).status == 202:
        accepted.append(answer.json()["id"])
        assert len(accepted) <= _LIMIT
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert str(_LIMIT) in answer.body.decode()
    return accepted


async def test_a_full_backlog_refuses_until_receivers_have_caught_up(tmp_path: Path, receiver: Receiver) -> None:
    receiver.hold("/slow")
    async with running_outpost(tmp_path, BACKLOG_LIMIT=str(_LIMIT), DELIVERY_TIMEOUT_SECONDS="60") as outpost:
        await outpost.destination("acme", receiver.url("/slow"))
        accepted = await _publish_until_refused(outpost)
        assert len(accepted) == _LIMIT
        assert await outpost.healthy()

        receiver.let_go("/slow")
        await outpost.until_settled()
        again = await outpost.api("POST", "/publish", _EVENT)

        assert again.status == 202
        await outpost.until_settled()
        assert receiver.event_ids("/slow") == {*accepted, again.json()["id"]}


async def test_a_restart_does_not_forget_how_much_waits(tmp_path: Path, receiver: Receiver) -> None:
    receiver.hold("/slow")
    async with running_outpost(tmp_path, BACKLOG_LIMIT=str(_LIMIT), DELIVERY_TIMEOUT_SECONDS="60") as outpost:
        await outpost.destination("acme", receiver.url("/slow"))
        accepted = await _publish_until_refused(outpost)
        await outpost.kill()
        await outpost.start()

        assert await _publish_until_refused(outpost) == []

        receiver.let_go("/slow")
        async with asyncio.timeout(20):
            await outpost.until_settled()
        assert receiver.event_ids("/slow") == set(accepted)
