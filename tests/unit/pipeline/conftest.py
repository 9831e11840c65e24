"""What tests of the pipeline share."""

import pytest

from outpost.pipeline import patience


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that were refused are taken again at once."""
    monkeypatch.setattr(patience, "_FIRST_PAUSE", 0.0)
    monkeypatch.setattr(patience, "_LONGEST_PAUSE", 0.0)
