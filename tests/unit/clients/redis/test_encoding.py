"""Commands become the bytes that a server reads back as the same arguments."""

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.clients.redis.encoding import Argument, encode, to_bytes

_text = st.text(st.characters(exclude_categories=["Cs"]))
_arguments = st.one_of(st.binary(), _text, st.integers(), st.floats(allow_nan=False))


@given(st.lists(_arguments, min_size=1))
def test_a_command_is_read_back_as_its_arguments(arguments: list[Argument]) -> None:
    reader = hiredis.Reader()
    reader.feed(encode(tuple(arguments)))

    assert reader.gets() == [to_bytes(argument) for argument in arguments]


@given(st.floats(allow_nan=False))
def test_a_float_keeps_its_value(number: float) -> None:
    assert float(to_bytes(number)) == number


@pytest.mark.parametrize("argument", [None, True, ["list"], object()])
def test_what_has_no_plain_form_is_refused(argument: object) -> None:
    with pytest.raises(TypeError):
        encode(("SET", argument))  # pyright: ignore[reportArgumentType]
