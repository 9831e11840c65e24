"""Waiting for a server that is away."""

import asyncio
import logging

import pytest

from outpost.domain.errors import QueueUnavailable, StoreCorrupted, StoreUnavailable
from outpost.pipeline.patience import patiently


class Step:
    def __init__(self, *ends: Exception) -> None:
        self._ends = list(ends)

    async def take(self) -> str:
        if self._ends:
            raise self._ends.pop(0)
        return "done"


async def test_a_step_that_succeeds_is_taken_once(pauses: list[float]) -> None:
    assert await patiently("trying", Step().take, meanwhile="all waits") == "done"
    assert pauses == []


async def test_the_pauses_grow_to_a_limit_and_differ_between_processes(pauses: list[float]) -> None:
    step = Step(*[StoreUnavailable("Postgres", "away")] * 12)

    assert await patiently("trying", step.take, meanwhile="all waits") == "done"

    for pause, whole in zip(pauses, [0.1, 0.2, 0.4, *[0.7] * 9], strict=True):
        assert 0.8 * whole <= pause <= 1.2 * whole
    assert len(set(pauses)) == 12


async def test_however_many_wait_and_however_often_one_line_is_logged(
    pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    away = QueueUnavailable("outpost-log", "away", broker="RabbitMQ")
    with caplog.at_level(logging.WARNING):
        await asyncio.gather(
            *(patiently("logging attempts", Step(*[away] * 5).take, meanwhile="all waits") for _ in range(100))
        )

    (record,) = caplog.records
    fields = vars(record)["fields"]
    assert fields["dependency"] == "RabbitMQ"
    assert fields["meanwhile"] == "all waits"
    assert "outpost-log" in fields["error"]


async def test_what_waiting_does_not_cure_is_raised(pauses: list[float]) -> None:
    with pytest.raises(StoreCorrupted):
        await patiently("trying", Step(StoreCorrupted("SQLite", "malformed")).take, meanwhile="all waits")
    assert pauses == []
