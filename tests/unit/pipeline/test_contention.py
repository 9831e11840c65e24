"""Publishing an id that another process is accepting."""

import asyncio

import pytest

from outpost.domain.errors import BacklogFull, PublishContended
from outpost.domain.identifiers import EventId, TenantId
from outpost.pipeline import contention
from outpost.pipeline.contention import patient_with_contention
from outpost.pipeline.publish import PublishCommand, PublishResult

CHOSEN = PublishCommand(tenant_id=TenantId("acme"), data=b"{}", id=EventId("evt_1"))
MINTED = PublishCommand(tenant_id=TenantId("acme"), data=b"{}")
DUPLICATE = PublishResult(id=EventId("evt_1"), duplicate=True, destination_ids=())


class Scripted:
    """Publishing that ends as told, the last way for ever."""

    def __init__(self, *ends: PublishResult | Exception) -> None:
        self._ends = list(ends)
        self.asked = 0

    def submit(self, command: PublishCommand) -> "asyncio.Future[PublishResult]":
        self.asked += 1
        end = self._ends.pop(0) if len(self._ends) > 1 else self._ends[0]
        future: asyncio.Future[PublishResult] = asyncio.get_running_loop().create_future()
        if isinstance(end, Exception):
            future.set_exception(end)
        else:
            future.set_result(end)
        return future


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contention, "_PAUSE_SECONDS", 0.0)


async def test_it_is_asked_for_again_until_the_other_has_ended() -> None:
    scripted = Scripted(PublishContended(), PublishContended(), DUPLICATE)

    assert await patient_with_contention(scripted.submit)(CHOSEN) == DUPLICATE

    assert scripted.asked == 3


async def test_the_publisher_is_told_if_that_takes_too_long() -> None:
    scripted = Scripted(PublishContended())

    with pytest.raises(PublishContended):
        await patient_with_contention(scripted.submit, patience=0.01)(CHOSEN)

    assert scripted.asked > 1


async def test_an_id_that_nobody_else_can_know_is_submitted_as_it_is() -> None:
    scripted = Scripted(PublishContended())

    with pytest.raises(PublishContended):
        await patient_with_contention(scripted.submit)(MINTED)

    assert scripted.asked == 1


async def test_any_other_refusal_is_told_at_once() -> None:
    scripted = Scripted(PublishContended(), BacklogFull(1))

    with pytest.raises(BacklogFull):
        await patient_with_contention(scripted.submit)(CHOSEN)

    assert scripted.asked == 2


async def test_a_publisher_who_goes_away_is_not_asked_for_again() -> None:
    scripted = Scripted(PublishContended())
    publishing = patient_with_contention(scripted.submit)(CHOSEN)
    await asyncio.sleep(0)

    publishing.cancel()
    await asyncio.wait([publishing])
    asked = scripted.asked
    await asyncio.sleep(0)

    assert scripted.asked == asked
