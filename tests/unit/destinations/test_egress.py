"""Which addresses may be called."""

from ipaddress import ip_address

import pytest

from outpost.clients.http import InvalidUrl, Url
from outpost.destinations.egress import EgressPolicy, EgressRefused, is_public
from outpost.domain.errors import ConfigurationError

NOT_PUBLIC = {
    "this network": ["0.0.0.0", "0.255.255.255"],
    "private": ["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255"],
    "shared": ["100.64.0.0", "100.100.100.200", "100.127.255.255"],
    "loopback": ["127.0.0.0", "127.0.0.1", "127.255.255.255"],
    "link-local": ["169.254.0.0", "169.254.169.254", "169.254.255.255"],
    "Azure's platform": ["168.63.129.16"],
    "protocol assignments": ["192.0.0.0", "192.0.0.170", "192.0.0.192", "192.0.0.255"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1"],
    "anycast": ["192.31.196.1", "192.52.193.1", "192.88.99.1", "192.175.48.1"],
    "benchmarking": ["198.18.0.0", "198.19.255.255"],
    "multicast": ["224.0.0.0", "239.255.255.255"],
    "reserved": ["240.0.0.0", "255.255.255.254"],
    "broadcast": ["255.255.255.255"],
    "IPv6 unspecified": ["::"],
    "IPv6 loopback": ["::1"],
    "IPv4-compatible": ["::127.0.0.1", "::8.8.8.8"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1"],
    "IPv4-translated": ["::ffff:0:10.0.0.1", "::ffff:0:8.8.8.8"],
    "NAT64": ["64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254"],
    "local NAT64": ["64:ff9b:1::1", "64:ff9b:1:ffff::8.8.8.8"],
    "discard": ["100::1", "100:0:0:1::1"],
    "Teredo": ["2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "IPv6 benchmarking": ["2001:2::1"],
    "ORCHID": ["2001:10::1", "2001:20::1"],
    "IPv6 documentation": ["2001:db8::1", "3fff::1", "3fff:fff:ffff::1"],
    "6to4": ["2002:7f00:1::1", "2002:a00:1::", "2002:a9fe:a9fe::1"],
    "IPv6 anycast": ["2620:4f:8000::1"],
    "segment routing": ["5f00::1"],
    "unique local": ["fc00::1", "fd00:ec2::254", "fdff:ffff::1"],
    "IPv6 link-local": ["fe80::1", "fe80::1%eth0", "febf::1"],
    "site-local": ["fec0::1"],
    "IPv6 multicast": ["ff02::1", "ff0e::1"],
    "not given out": ["1::1", "4000::1", "8000::1", "fe00::1"],
}
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0",
    "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2001:4860:4860::8888",
    "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize("text", [text for texts in NOT_PUBLIC.values() for text in texts])
def test_an_address_that_is_not_public_is_refused(text: str) -> None:
    assert not is_public(ip_address(text))
    with pytest.raises(EgressRefused):
        EgressPolicy().check("example.com", [ip_address(text)])


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_may_be_called(text: str) -> None:
    assert EgressPolicy().check("example.com", [ip_address(text)]) == [ip_address(text)]


@pytest.mark.parametrize(
    "host",
    [
        "127.1", "127.0.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "0177.0.0.1", "127.0.0.1.", "0",
        "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:7f00:1]", "[::ffff:127.0.0.1]", "\uff11\uff12\uff17.0.0.1",
        "127。0。0。1",
        "169.254.43518", "0xa9fea9fe",
    ],
)  # fmt: skip
def test_an_odd_spelling_of_an_address_does_not_get_past(host: str) -> None:
    try:
        url = Url.parse(f"http://{host}/")
    except InvalidUrl:
        return  # nothing is called at all

    assert url.address is not None
    with pytest.raises(EgressRefused):
        EgressPolicy().check(url.host, [url.address])


def test_a_name_with_one_address_that_is_not_public_is_refused_whole() -> None:
    with pytest.raises(EgressRefused, match=r"^rebind\.example is not a public address"):
        EgressPolicy().check("rebind.example", [ip_address("8.8.8.8"), ip_address("10.0.0.1")])


@pytest.mark.parametrize(
    ("allow", "host", "address"),
    [
        ("10.0.0.0/8", "a.example", "10.1.2.3"),
        ("10.1.2.3", "a.example", "10.1.2.3"),
        ("10.1.2.3/8", "a.example", "10.200.0.1"),
        ("10.0.0.0/8", "a.example", "::ffff:10.1.2.3"),
        ("10.0.0.0/8", "a.example", "64:ff9b::10.1.2.3"),
        ("fd00::/8", "a.example", "fd00::1"),
        ("::1", "::1", "::1"),
        (" 127.0.0.0/8 ", "127.0.0.1", "127.0.0.1"),
        ("hooks.internal", "hooks.internal", "10.0.0.1"),
        ("Hooks.Internal.", "HOOKS.internal", "10.0.0.1"),
        ("hooks.internal", "hooks.internal.", "10.0.0.1"),
        ("*.internal", "a.b.internal", "10.0.0.1"),
        ("*.internal.", "a.internal", "10.0.0.1"),
        ("localhost", "localhost", "127.0.0.1"),
    ],
)
def test_what_the_operator_allows_may_be_called(allow: str, host: str, address: str) -> None:
    policy = EgressPolicy(allow=["192.0.2.0/24", allow])

    assert policy.check(host, [ip_address(address)]) == [ip_address(address)]


@pytest.mark.parametrize(
    ("allow", "host", "address"),
    [
        ("10.0.0.0/8", "a.example", "192.168.0.1"),
        ("fd00::/8", "a.example", "10.0.0.1"),
        ("hooks.internal", "evil-hooks.internal", "10.0.0.1"),
        ("hooks.internal", "a.hooks.internal", "10.0.0.1"),
        ("*.internal", "internal", "10.0.0.1"),
        ("*.internal", "evilinternal", "10.0.0.1"),
    ],
)
def test_what_the_operator_allows_is_no_more_than_it_says(allow: str, host: str, address: str) -> None:
    with pytest.raises(EgressRefused):
        EgressPolicy(allow=[allow]).check(host, [ip_address(address)])


@pytest.mark.parametrize(
    "entry", ["", "*", "*.", "10.0.0.0/33", "http://a", "a:80", "127.1", "a b", "*.*.a", ".a", "1.2.3.4.5", "bücher.de"]
)
def test_an_entry_that_could_allow_nothing_is_refused(entry: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^EGRESS_ALLOW: .* is not a network"):
        EgressPolicy(allow=[entry])


def test_without_the_guard_everything_may_be_called() -> None:
    addresses = [ip_address("127.0.0.1"), ip_address("169.254.169.254"), ip_address("::")]

    assert EgressPolicy(guard=False).check("localhost", addresses) == addresses
