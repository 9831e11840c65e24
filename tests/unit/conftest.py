"""What unit tests of several packages ask for."""

import asyncio

import pytest


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were asked for, in seconds; none is made."""
    asked: list[float] = []
    turn = asyncio.sleep

    async def sleep(seconds: float) -> None:
        asked.append(seconds)
        await turn(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return asked
