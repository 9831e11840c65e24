"""What callers are told of errors, and what the log is."""

import logging

import pytest

from outpost.api.errors import refusal
from outpost.domain.errors import StoreUnavailable
from outpost.telemetry.outages import OUTAGES


async def test_every_caller_is_told_that_a_store_is_away_and_the_log_once(caplog: pytest.LogCaptureFixture) -> None:
    OUTAGES.forget()
    with caplog.at_level(logging.INFO):
        answers = [refusal(StoreUnavailable("Postgres", "secret.internal: refused")) for _ in range(200)]

    assert {(status, headers["Retry-After"]) for status, headers, _ in answers} == {(503, "1")}
    assert all(b"secret.internal" not in body for _, _, body in answers)
    (record,) = caplog.records
    assert vars(record)["fields"]["dependency"] == "Postgres"
    OUTAGES.forget()
