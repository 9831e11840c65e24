"""A destination as a value."""

from tests.support.builders import START, a_destination


def test_its_secrets_are_in_no_text_of_it() -> None:
    destination = a_destination(credentials={"secret": "hush"}, delivery_metadata={"authorization": "hush"})

    assert "hush" not in repr(destination) + str(destination) + f"{destination}"
    assert "des_1" in repr(destination)


def test_it_is_enabled_until_it_has_a_date() -> None:
    assert a_destination().enabled
    assert not a_destination(disabled_at=START).enabled
