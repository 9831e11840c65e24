"""What callers are told of errors, and what the log is."""

import json
import logging

import pytest

from outpost.api.errors import refusal
from outpost.domain.errors import CannotUnseal, StoreUnavailable
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


def test_secrets_that_cannot_be_decrypted_are_named_in_the_log_and_the_caller_is_sent_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status, _, body = refusal(CannotUnseal("the secrets of destination des_1 of tenant acme"))

    answer = json.loads(body)
    assert (status, answer["status"], answer["message"]) == (500, 500, "internal server error")
    (sentence,) = answer["data"]
    assert "cannot be decrypted; the log of Outpost says" in sentence
    assert "des_1" not in sentence
    (record,) = caplog.records
    assert "des_1 of tenant acme cannot be decrypted: check that AES_ENCRYPTION_SECRET" in record.getMessage()
    assert record.exc_info is None  # where the secret is wrong, each request comes by here
