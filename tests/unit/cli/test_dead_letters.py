"""`outpost dead-letters`, over places that only pretend."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from outpost.cli.main import main
from outpost.config.settings import Settings
from outpost.domain.errors import QueueUnavailable
from outpost.ports.dead_letters import DeadLetters, Redriven
from outpost.wiring import dead_letters as wiring

_SINCE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_AWAY = QueueUnavailable("deliveries.dead", "refused")


class _Place:
    """Remembers the limits that it was sent back with."""

    def __init__(self, place: str, *, letters: int = 0, since: datetime | None = None, became: Redriven | None = None):
        self.place = place
        self.limits: list[int | None] = []
        self._letters = letters
        self._since = since
        self._became = became or Redriven()

    async def count(self) -> int:
        return self._letters

    async def oldest_at(self) -> datetime | None:
        return self._since

    async def redrive(self, limit: int | None = None) -> Redriven:
        self.limits.append(limit)
        return self._became


class _Away(_Place):
    async def count(self) -> int:
        raise _AWAY


@pytest.fixture
def places() -> dict[str, _Place]:
    return {
        "delivery": _Place("deliveries.dead", letters=12_345, became=Redriven(moved=12_000, left=345)),
        "retry": _Place("retries", letters=2, since=_SINCE, became=Redriven(moved=1, superseded=1)),
    }


@pytest.fixture(autouse=True)
def _opened(places: dict[str, _Place], monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def open_dead_letters(settings: Settings) -> AsyncIterator[Mapping[str, DeadLetters]]:
        yield places

    monkeypatch.setattr(wiring, "open_dead_letters", open_dead_letters)


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["dead-letters", *arguments, "--redis-host", "r"])
    out, err = capsys.readouterr()
    return code, out, err


def _document(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(_run(capsys, *arguments, "--json")[1])


def test_they_are_counted_and_said_to_lie_there_since_when(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "list")

    assert code == 0
    assert out.splitlines() == [
        "Dead letters",
        "  delivery  deliveries.dead   12,345",
        "  retry     retries                2  the oldest since 2026-01-02T03:04:05Z",
    ]
    assert _document(capsys, "list")["queues"] == [
        {"queue": "delivery", "place": "deliveries.dead", "letters": 12_345, "oldest_at": None},
        {"queue": "retry", "place": "retries", "letters": 2, "oldest_at": "2026-01-02T03:04:05Z"},
    ]


def test_one_queue_can_be_chosen(capsys: pytest.CaptureFixture[str], places: dict[str, _Place]) -> None:
    _, listed, _ = _run(capsys, "list", "--queue", "retry")
    code, _, _ = _run(capsys, "redrive", "--queue", "retry", "--yes", "--limit", "7")

    assert "deliveries.dead" not in listed
    assert (code, places["retry"].limits, places["delivery"].limits) == (0, [7], [])


def test_what_became_of_them_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "redrive", "--yes")

    assert code == 0
    assert out.splitlines() == [
        "  delivery  12,000 sent back; 345 cannot be read and stay",
        "  retry     1 sent back; 1 removed, for what they ask for has been planned anew since",
    ]


def test_nothing_is_sent_back_unasked(capsys: pytest.CaptureFixture[str], places: dict[str, _Place]) -> None:
    code, _, _ = _run(capsys, "redrive")

    assert (code, places["retry"].limits, places["delivery"].limits) == (19, [], [])
    assert _document(capsys, "redrive")["error"]["code"] == "cancelled"


def test_where_there_is_none_nobody_is_asked(capsys: pytest.CaptureFixture[str], places: dict[str, _Place]) -> None:
    places |= {name: _Place(place.place) for name, place in places.items()}

    assert _run(capsys, "redrive")[:2] == (0, "  delivery  0 sent back\n  retry     0 sent back\n")


def test_nobody_is_asked_about_what_cannot_be_counted(
    capsys: pytest.CaptureFixture[str], places: dict[str, _Place]
) -> None:
    places["delivery"] = _Away("deliveries.dead")

    code, out, err = _run(capsys, "redrive")

    assert (code, places["retry"].limits) == (17, [])
    assert "retries" in out
    assert err == f"Error: {_AWAY}\n"


def test_what_is_wrong_with_the_configuration_is_said_in_the_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["dead-letters", "list", "--json", "--redis-host", "r", "--redis-port", "none"])

    out, err = capsys.readouterr()
    assert (code, json.loads(out)["error"]["code"]) == (64, "configuration_error")
    assert err.startswith("Error: ")


def test_what_the_server_warns_of_is_said_here_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "outpost.yaml"
    file.write_text("redis: {hots: r}")

    code, _, err = _run(capsys, "list", "--config", str(file))

    assert (code, err.startswith("Warning: "), "hots" in err) == (0, True, True)
