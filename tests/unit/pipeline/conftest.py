"""What tests of the pipeline share."""

from collections.abc import Iterator

import pytest

from outpost.pipeline import patience
from outpost.telemetry.outages import OUTAGES


@pytest.fixture(autouse=True)
def no_outages() -> Iterator[None]:
    """No dependency is away, as far as this process knows."""
    OUTAGES.forget()
    yield
    OUTAGES.forget()


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that were refused are taken again at once."""
    monkeypatch.setattr(patience, "_FIRST_PAUSE", 0.0)
    monkeypatch.setattr(patience, "_LONGEST_PAUSE", 0.0)
