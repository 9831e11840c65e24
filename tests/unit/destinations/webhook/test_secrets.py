"""Who may give, see and rotate the secrets of a webhook."""

import base64
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from outpost.destinations.webhook.secrets import SecretMaker, ends_at, prepared, problems
from outpost.destinations.webhook.settings import WebhookSettings
from outpost.domain.errors import ConfigurationError, ValidationFailed
from outpost.ports.provider import DestinationChange, Role
from tests.support.builders import a_destination

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
TOMORROW = "2026-01-03T03:04:05Z"
W1 = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


class FixedMaker(SecretMaker):
    """Makes a secret that a test can recognise."""

    def __init__(self) -> None:
        super().__init__(WebhookSettings())

    def make(self) -> str:
        return "new"


def result(
    wanted: dict[str, str],
    *,
    stored: dict[str, str] | None = None,
    role: Role = "admin",
    sent: dict[str, Any] | None = None,
) -> dict[str, str]:
    """Return the credentials after a change; by default all that is wanted was sent."""
    change = DestinationChange(
        wanted=a_destination(credentials=wanted),
        stored=None if stored is None else a_destination(credentials=stored),
        role=role,
        sent_credentials=wanted if sent is None else sent,
        now=NOW,
    )
    return prepared(change, FixedMaker())


def test_a_secret_is_made_from_32_random_bytes() -> None:
    made = [SecretMaker(WebhookSettings()).make() for _ in range(2)]

    assert all(re.fullmatch("whsec_[0-9a-f]{64}", each) for each in made)
    assert made[0] != made[1]


def test_a_standard_secret_has_one_form_whatever_the_template_says() -> None:
    made = SecretMaker(WebhookSettings(mode="standard", signing_secret_template="{{nonsense")).make()

    assert len(base64.b64decode(made.removeprefix("whsec_"), validate=True)) == 32


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("{{.RandomHex}}", "[0-9a-f]{64}"),
        ("s-{{.RandomBase64}}", "s-[A-Za-z0-9+/]{43}="),
        ("{{.RandomAlphanumeric | upper}}!", "[A-Z0-9]{32}!"),
    ],
)
def test_the_operator_chooses_the_form_of_secrets(template: str, pattern: str) -> None:
    assert re.fullmatch(pattern, SecretMaker(WebhookSettings(signing_secret_template=template)).make())


@pytest.mark.parametrize("template", ["", " ", "{{.Nope}}", "{{.RandomHex", "{{.EventID}}", '{{printf ""}}'])
def test_a_template_that_makes_no_secret_is_refused_at_the_start(template: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^DESTINATIONS_WEBHOOK_SIGNING_SECRET_TEMPLATE"):
        SecretMaker(WebhookSettings(signing_secret_template=template))


@pytest.mark.parametrize("role", ["admin", "tenant"])
def test_a_new_destination_gets_a_secret(role: Role) -> None:
    assert result({}, role=role) == {"secret": "new"}


def test_an_admin_may_give_all_three_and_nothing_else_is_kept() -> None:
    given = {"secret": "s", "previous_secret": "p", "previous_secret_invalid_at": TOMORROW}

    assert result({**given, "other": "x", "rotate_secret": "false"}) == given


@pytest.mark.parametrize("name", ["secret", "previous_secret", "previous_secret_invalid_at"])
def test_a_tenant_may_give_none_of_them(name: str) -> None:
    with pytest.raises(ValidationFailed, match=f"^credentials.{name} is forbidden$"):
        result({name: "x"}, role="tenant")
    with pytest.raises(ValidationFailed, match=f"^credentials.{name} is forbidden$"):
        result({"secret": "s", name: "x"}, stored={"secret": "s"}, role="tenant")


@pytest.mark.parametrize("wanted", [{}, {"secret": ""}, {"secret": "s"}, {"other": "x"}])
def test_a_tenant_changes_nothing_by_leaving_them_out_or_repeating_them(wanted: dict[str, str]) -> None:
    stored = {"secret": "s", "previous_secret": "p", "previous_secret_invalid_at": TOMORROW}

    assert result(wanted, stored=stored, role="tenant") == stored


@pytest.mark.parametrize("role", ["admin", "tenant"])
@pytest.mark.parametrize("word", ["true", "True", "1", "on", "YES"])
def test_rotating_makes_a_new_secret_and_keeps_the_old_one_for_a_day(role: Role, word: str) -> None:
    stored = {"secret": "s", "previous_secret": "older", "previous_secret_invalid_at": "2026-01-02T04:00:00Z"}
    rotated = result({**stored, "rotate_secret": word}, stored=stored, role=role, sent={"rotate_secret": word})

    assert rotated == {"secret": "new", "previous_secret": "s", "previous_secret_invalid_at": TOMORROW}


def test_rotating_keeps_the_old_secret_as_long_as_this_request_says() -> None:
    sent = {"rotate_secret": True, "previous_secret_invalid_at": "2030-01-01T00:00:00Z"}
    rotated = result({"rotate_secret": "true"}, stored={"secret": "s"}, sent=sent)

    assert rotated["previous_secret_invalid_at"] == "2030-01-01T00:00:00Z"


@pytest.mark.parametrize("word", ["false", "0", "off", "no", "", "yes please"])
def test_any_other_word_does_not_rotate(word: str) -> None:
    assert result({"secret": "s", "rotate_secret": word}, stored={"secret": "s"}) == {"secret": "s"}


def test_there_must_be_something_to_rotate() -> None:
    with pytest.raises(ValidationFailed, match=r"^credentials.rotate_secret failed invalid validation$"):
        result({"rotate_secret": "true"})
    with pytest.raises(ValidationFailed, match=r"^credentials.secret is required$"):
        result({"rotate_secret": "true"}, stored={})


def test_a_previous_secret_without_a_date_gets_a_day_when_changing_and_is_left_to_validation_when_creating() -> None:
    given = {"secret": "s", "previous_secret": "p"}

    assert result(given, stored={"secret": "p"}) == {**given, "previous_secret_invalid_at": TOMORROW}
    assert result(given) == given


def test_an_admin_ends_an_overlap_with_empty_texts() -> None:
    wanted = {"secret": "s", "previous_secret": "", "previous_secret_invalid_at": ""}
    stored = {"secret": "s", "previous_secret": "p", "previous_secret_invalid_at": TOMORROW}

    assert result(wanted, stored=stored) == {"secret": "s"}


@pytest.mark.parametrize("sent", [{}, {"other": "x"}])
def test_a_destination_is_never_left_without_a_secret(sent: dict[str, Any]) -> None:
    assert result({}, stored={"secret": "s"}, sent=sent) == {"secret": "new"}


@pytest.mark.parametrize(("wanted", "sent"), [({"secret": ""}, {"secret": ""}), ({}, {"secret": None})])
def test_an_admin_may_not_take_the_secret_alone_away(wanted: dict[str, str], sent: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed, match=r"^credentials.secret is required$"):
        result(wanted, stored={"secret": "s"}, sent=sent)


@pytest.mark.parametrize(
    ("credentials", "standard", "expected"),
    [
        ({}, False, []),
        ({"secret": "any text"}, False, []),
        ({"secret": "s", "previous_secret": "p", "previous_secret_invalid_at": TOMORROW}, False, []),
        ({"previous_secret": "p"}, False, ["credentials.secret is required"]),
        ({"previous_secret_invalid_at": TOMORROW}, False, ["credentials.secret is required"]),
        ({"secret": "s", "previous_secret": "p"}, False, ["credentials.previous_secret_invalid_at is required"]),
        (
            {"secret": "s", "previous_secret_invalid_at": TOMORROW},
            False,
            ["credentials.previous_secret is required"],
        ),
        (
            {"secret": "s", "previous_secret": "p", "previous_secret_invalid_at": "tomorrow"},
            False,
            ["credentials.previous_secret_invalid_at failed pattern validation"],
        ),
        ({"secret": W1}, True, []),
        ({"secret": "plain"}, True, ["credentials.secret failed pattern validation"]),
        (
            {"secret": W1, "previous_secret": "whsec_?", "previous_secret_invalid_at": TOMORROW},
            True,
            ["credentials.previous_secret failed pattern validation"],
        ),
    ],
)
def test_credentials_that_are_to_be_stored(credentials: dict[str, str], standard: bool, expected: list[str]) -> None:
    assert problems(credentials, standard=standard) == expected


def test_a_previous_secret_ends_at_its_date() -> None:
    assert ends_at({"previous_secret": "p", "previous_secret_invalid_at": TOMORROW}) == datetime(
        2026, 1, 3, 3, 4, 5, tzinfo=UTC
    )
    assert ends_at({"previous_secret_invalid_at": TOMORROW}) is None
    assert ends_at({"previous_secret": "p", "previous_secret_invalid_at": "tomorrow"}) is None
