"""The tree of errors."""

import inspect
import re

from outpost.domain import errors
from outpost.domain.errors import OutpostError

CLASSES = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, OutpostError)]


def test_the_drawing_shows_every_error() -> None:
    assert errors.__doc__ is not None
    drawn = set(re.findall(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*", errors.__doc__.split("Each class")[0]))

    assert {each.__name__ for each in CLASSES} <= drawn


def test_each_error_has_a_code_of_its_own() -> None:
    codes = [each.code for each in CLASSES]

    assert sorted(codes) == sorted(set(codes))


def test_what_may_be_tried_again_says_when() -> None:
    assert errors.StoreUnavailable("log store", "disk full").retry_after_seconds == 1
    assert errors.BacklogFull(10).retry_after_seconds == 5


def test_an_error_says_what_to_do_next() -> None:
    assert "check that AES_ENCRYPTION_SECRET is what it was" in str(errors.CannotUnseal("the secrets of a destination"))
    assert str(errors.ValidationFailed("a is required", "b is required")) == "a is required; b is required"
