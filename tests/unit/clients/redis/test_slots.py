"""Which slot a key falls into, and how the cluster's own map is read."""

import pytest

from outpost.clients.redis.slots import SLOTS, Address, parse_address, parse_slots, slot_of


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        (b"123456789", 12739),  # Redis Cluster specification, "Key distribution model": CRC16 is 0x31C3
        (b"", 0),
        (b"foo", 12182),
        (b"{user1000}.following", 3443),
        (b"tenant:{user1000}:destinations", 3443),
    ],
)
def test_the_slot_of_a_key(key: bytes, slot: int) -> None:
    assert slot_of(key) == slot


def test_only_the_first_tag_counts_and_only_if_it_is_not_empty() -> None:
    assert slot_of(b"foo{bar}{zap}") == slot_of(b"bar")
    assert slot_of(b"foo{{bar}}zap") == slot_of(b"{bar")
    assert slot_of(b"foo{}{bar}") != slot_of(b"bar")
    assert slot_of(b"foo{bar") != slot_of(b"bar")


def _map(*ranges: list[object], forced_host: str = "") -> tuple[Address | None, ...]:
    return parse_slots(list(ranges), asked_host="asked", forced_host=forced_host).owners


def test_each_slot_belongs_to_its_master() -> None:
    owners = _map([0, 9, [b"10.0.0.1", 7000, b"id1"], [b"10.0.0.9", 7009, b"id9"]], [10, 20, [b"10.0.0.2", 7001]])

    assert owners[0] == owners[9] == Address("10.0.0.1", 7000)
    assert owners[10] == owners[20] == Address("10.0.0.2", 7001)
    assert owners[21:] == (None,) * (SLOTS - 21)


@pytest.mark.parametrize(
    ("master", "host"),
    [
        ([None, 7000, b"id"], "asked"),
        ([b"", 7000, b"id"], "asked"),
        ([b"?", 7000, b"id", []], "asked"),
        ([b"?", 7000, b"id", [b"ip", b"10.0.0.1"]], "10.0.0.1"),
        ([b"node.example", 7000, b"id", [b"ip", b"10.0.0.1"]], "node.example"),
    ],
)
def test_a_node_without_a_host_is_where_it_was_asked(master: list[object], host: str) -> None:
    assert _map([0, 1, master])[0] == Address(host, 7000)


def test_a_forced_host_stands_for_all() -> None:
    assert _map([0, 1, [b"10.0.0.1", 7000]], forced_host="localhost")[0] == Address("localhost", 7000)


def test_the_digest_tells_assignments_apart() -> None:
    one = parse_slots([[0, 9, [b"a", 1]], [10, 20, [b"b", 1]]], asked_host="")
    same = parse_slots([[10, 20, [b"b", 1]], [5, 9, [b"a", 1]], [0, 4, [b"a", 1]]], asked_host="")
    other = parse_slots([[0, 10, [b"a", 1]], [11, 20, [b"b", 1]]], asked_host="")

    assert one.digest == same.digest != other.digest


@pytest.mark.parametrize(
    "reply",
    [
        None,
        b"OK",
        5,
        [1],
        [[0, 1]],
        [[0, 99999, [b"a", 1]]],
        [[-1, 5, [b"a", 1]]],
        [[0, 1, [b"a", 0]]],
        [[0, 1, [b"\xff", 1]]],
    ],
)
def test_another_reply_is_refused(reply: object) -> None:
    with pytest.raises(ValueError, match="not a reply to CLUSTER SLOTS"):
        parse_slots(reply, asked_host="asked")


def test_a_redirection_may_leave_the_host_out() -> None:
    assert parse_address(":7000", asked_host="asked") == Address("asked", 7000)
    assert parse_address("10.0.0.1:7000", asked_host="asked") == Address("10.0.0.1", 7000)
    assert parse_address("2001:db8::1:7000", asked_host="asked") == Address("2001:db8::1", 7000)
    assert parse_address("10.0.0.1:7000", asked_host="asked", forced_host="here") == Address("here", 7000)
