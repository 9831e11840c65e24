"""How ids look."""

import os
import re
import time
import uuid
from collections import Counter

import pytest

from outpost.domain.identifiers import IdStyle, id_minter


@pytest.mark.parametrize(("style", "version"), [("uuidv4", 4), ("uuidv7", 7)])
def test_a_uuid_is_written_in_its_usual_form(style: IdStyle, version: int) -> None:
    text = id_minter(style)()

    parsed = uuid.UUID(text)
    assert (str(parsed), parsed.version, parsed.variant) == (text, version, uuid.RFC_4122)


def test_a_uuidv7_begins_with_its_millisecond() -> None:
    before = time.time_ns() // 1_000_000
    minted = uuid.UUID(id_minter("uuidv7")())

    assert before <= minted.int >> 80 <= time.time_ns() // 1_000_000


def test_a_nanoid_has_26_letters_and_digits_each_equally_likely() -> None:
    mint = id_minter("nanoid")
    minted = [mint() for _ in range(2000)]

    assert all(re.fullmatch("[0-9A-Za-z]{26}", each) for each in minted)
    counts = Counter("".join(minted))
    assert len(counts) == 62
    assert max(counts.values()) < 1.4 * min(counts.values())  # 839 of each expected, give or take 29


@pytest.mark.parametrize("style", ["uuidv4", "uuidv7", "nanoid"])
def test_ids_begin_with_the_prefix_as_it_stands_and_never_repeat(style: IdStyle) -> None:
    mint = id_minter(style, "evt_")
    minted = {mint() for _ in range(1000)}

    assert len(minted) == 1000
    assert all(each.startswith("evt_") and "_" not in each[4:] for each in minted)


def test_a_forked_process_does_not_repeat_the_ids_of_its_parent() -> None:
    mint = id_minter("uuidv4")
    mint()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, mint().encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reading, 36).decode() not in {mint() for _ in range(4)}
    os.close(reading)
    os.close(writing)
