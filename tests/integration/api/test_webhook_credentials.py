"""The secrets of a webhook as the API deals with them."""

import re
from datetime import timedelta
from typing import Any

import pytest

from outpost.codec import format_time
from tests.support.api import InProcessOutpost, invalid
from tests.support.builders import START

PATH = "/tenants/t1/destinations/d1"
FUTURE = "2030-01-01T00:00:00Z"
IN_A_DAY = format_time((START + timedelta(days=1)).replace(microsecond=0))
GENERATED = re.compile("whsec_[0-9a-f]{64}")


async def patch(outpost: InProcessOutpost, credentials: Any, *, token: str | None = "key") -> Any:
    return await outpost.api("PATCH", PATH, {"credentials": credentials}, token=token)


async def shown(outpost: InProcessOutpost) -> dict[str, str]:
    return (await outpost.api("GET", PATH)).json()["credentials"]


@pytest.fixture
async def token(outpost: InProcessOutpost) -> str:
    """A token of tenant t1, which has the webhook d1 with the secret `s0`."""
    token = await outpost.tenant("t1")
    await outpost.webhook("d1", credentials={"secret": "s0"})
    return token


@pytest.mark.parametrize("word", [True, "true", "1", "on", "YES", 1])
@pytest.mark.parametrize("by", ["operator", "tenant"])
async def test_a_secret_is_rotated_and_the_old_one_goes_on_for_a_day(
    outpost: InProcessOutpost, token: str, by: str, word: Any
) -> None:
    """Scenario 69."""
    answer = await patch(
        outpost, {"rotate_secret": word, "secret": "dropped"}, token=token if by == "tenant" else "key"
    )

    assert answer.status == 200
    credentials = answer.json()["credentials"]
    assert GENERATED.fullmatch(credentials.pop("secret"))
    assert credentials == {"previous_secret": "s0", "previous_secret_invalid_at": IN_A_DAY}


@pytest.mark.parametrize("word", [False, "false", "no", "", None])
@pytest.mark.usefixtures("token")
async def test_a_secret_is_not_rotated_by_another_word(outpost: InProcessOutpost, word: Any) -> None:
    answer = await patch(outpost, {"rotate_secret": word})

    assert (answer.status, answer.json()["credentials"]) == (200, {"secret": "s0"})


@pytest.mark.usefixtures("token")
async def test_a_rotation_may_say_when_the_old_secret_ends(outpost: InProcessOutpost) -> None:
    """Scenario 69."""
    dated = await patch(outpost, {"rotate_secret": True, "previous_secret_invalid_at": FUTURE})
    undated = await patch(outpost, {"rotate_secret": True})
    bad = await patch(outpost, {"rotate_secret": True, "previous_secret_invalid_at": "soon"})

    assert dated.json()["credentials"]["previous_secret_invalid_at"] == FUTURE
    assert undated.json()["credentials"]["previous_secret"] == dated.json()["credentials"]["secret"]
    assert undated.json()["credentials"]["previous_secret_invalid_at"] == IN_A_DAY
    sentence = "credentials.previous_secret_invalid_at failed pattern validation"
    assert (bad.status, bad.json()) == (422, invalid(sentence))


@pytest.mark.usefixtures("token")
async def test_a_previous_secret_is_shown_until_it_ends(outpost: InProcessOutpost) -> None:
    """Scenario 70."""
    await patch(outpost, {"previous_secret": "old", "previous_secret_invalid_at": FUTURE})
    during = await shown(outpost)
    past = await patch(outpost, {"previous_secret_invalid_at": "2020-01-01T00:00:00Z"})

    assert during == {"secret": "s0", "previous_secret": "old", "previous_secret_invalid_at": FUTURE}
    assert (past.status, past.json()["credentials"]) == (200, {"secret": "s0"})
    assert await shown(outpost) == {"secret": "s0"}


@pytest.mark.usefixtures("token")
async def test_the_operator_sets_secrets_with_a_date_of_a_day(outpost: InProcessOutpost) -> None:
    """Scenario 71."""
    answer = await patch(outpost, {"secret": "s1", "previous_secret": "s0"})

    assert answer.json()["credentials"] == {
        "secret": "s1",
        "previous_secret": "s0",
        "previous_secret_invalid_at": IN_A_DAY,
    }


@pytest.mark.parametrize(
    ("credentials", "sentence"),
    [
        ({"previous_secret": None}, "credentials.previous_secret is required"),
        ({"previous_secret": ""}, "credentials.previous_secret is required"),
        ({"previous_secret_invalid_at": "soon"}, "credentials.previous_secret_invalid_at failed pattern validation"),
        ({"secret": ""}, "credentials.secret is required"),
        ({"secret": None}, "credentials.secret is required"),
        (
            {"secret": None, "previous_secret": None, "previous_secret_invalid_at": None},
            "credentials.secret is required",
        ),
    ],
)
@pytest.mark.usefixtures("token")
async def test_secrets_that_do_not_go_together_are_refused(
    outpost: InProcessOutpost, credentials: Any, sentence: str
) -> None:
    """Scenario 71; fault 10: no destination is left without a secret."""
    await patch(outpost, {"previous_secret": "old", "previous_secret_invalid_at": FUTURE})
    before = await shown(outpost)

    answer = await patch(outpost, credentials)

    assert (answer.status, answer.json()) == (422, invalid(sentence))
    assert await shown(outpost) == before


@pytest.mark.usefixtures("token")
async def test_a_lone_secret_cannot_be_taken_away(outpost: InProcessOutpost) -> None:
    """Fault 10."""
    for credentials in ({"secret": ""}, {"secret": None}):
        answer = await patch(outpost, credentials)

        assert (answer.status, answer.json()) == (422, invalid("credentials.secret is required"))
    assert await shown(outpost) == {"secret": "s0"}


@pytest.mark.usefixtures("token")
async def test_the_overlap_can_be_ended_at_once(outpost: InProcessOutpost) -> None:
    await patch(outpost, {"previous_secret": "old", "previous_secret_invalid_at": FUTURE})

    answer = await patch(outpost, {"previous_secret": "", "previous_secret_invalid_at": ""})

    assert (answer.status, answer.json()["credentials"]) == (200, {"secret": "s0"})


@pytest.mark.usefixtures("token")
async def test_credentials_that_are_cleared_get_a_new_secret(outpost: InProcessOutpost) -> None:
    """Fault 10."""
    answer = await patch(outpost, None)

    assert answer.status == 200
    (secret,) = answer.json()["credentials"].values()
    assert GENERATED.fullmatch(secret)
    assert (await patch(outpost, {"rotate_secret": True})).json()["credentials"]["previous_secret"] == secret


@pytest.mark.parametrize(
    ("name", "value"),
    [("secret", "mine"), ("previous_secret", "old"), ("previous_secret_invalid_at", FUTURE)],
)
async def test_a_tenant_cannot_set_a_secret(outpost: InProcessOutpost, token: str, name: str, value: str) -> None:
    """Scenario 72."""
    answer = await patch(outpost, {name: value}, token=token)

    assert (answer.status, answer.json()) == (422, invalid(f"credentials.{name} is forbidden"))


@pytest.mark.parametrize("credentials", [None, {}, {"secret": "s0"}, {"secret": None}, {"other": "x"}])
async def test_a_tenant_changes_nothing_by_what_it_may_send(
    outpost: InProcessOutpost, token: str, credentials: Any
) -> None:
    """Scenario 72; fault 44: it sees its secret in full."""
    answer = await patch(outpost, credentials, token=token)

    assert (answer.status, answer.json()["credentials"]) == (200, {"secret": "s0"})
