"""Which texts are URLs, and what of them goes where."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.clients.http import InvalidUrl, Url


@pytest.mark.parametrize(
    ("text", "origin", "authority", "target"),
    [
        ("http://example.com", "http://example.com:80", "example.com", "/"),
        ("HTTPS://EXAMPLE.com/", "https://example.com:443", "example.com", "/"),
        ("https://example.com:443/a", "https://example.com:443", "example.com", "/a"),
        ("https://example.com:80/a", "https://example.com:80", "example.com:80", "/a"),
        ("http://example.com:/a", "http://example.com:80", "example.com", "/a"),
        ("http://example.com:08080/", "http://example.com:8080", "example.com:8080", "/"),
        ("http://example.com?a=b", "http://example.com:80", "example.com", "/?a=b"),
        ("http://example.com#part", "http://example.com:80", "example.com", "/"),
        ("http://example.com/a?b#c?d", "http://example.com:80", "example.com", "/a?b"),
        ("http://example.com//evil.example/", "http://example.com:80", "example.com", "//evil.example/"),
        ('http://example.com/a b"<>é%20%zz', "http://example.com:80", "example.com", "/a%20b%22%3C%3E%C3%A9%20%zz"),
        ("http://example.com/@x:y@z", "http://example.com:80", "example.com", "/@x:y@z"),
        ("http://my_host/", "http://my_host:80", "my_host", "/"),
        ("http://example.com./", "http://example.com.:80", "example.com.", "/"),
        ("http://[2001:DB8::1]/", "http://[2001:db8::1]:80", "[2001:db8::1]", "/"),
        ("https://[::1]:8443/", "https://[::1]:8443", "[::1]:8443", "/"),
        ("http://bücher.example/", "http://xn--bcher-kva.example:80", "xn--bcher-kva.example", "/"),
    ],
)
def test_a_url_is_taken_apart(text: str, origin: str, authority: str, target: str) -> None:
    url = Url.parse(text)

    assert (url.origin, url.authority.decode(), url.target.decode()) == (origin, authority, target)
    assert url.after_method == f" {target} HTTP/1.1\r\nHost: {authority}\r\n".encode()


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0X7F.1", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("１２７.０.０.１", "127.0.0.1"),  # noqa: RUF001  full-width digits
        ("127。0。0。1", "127.0.0.1"),
        ("[::ffff:127.0.0.1]", "::ffff:7f00:1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
    ],
)
def test_an_address_is_known_in_any_spelling(written: str, address: str) -> None:
    url = Url.parse(f"http://{written}/")

    assert url.address == ip_address(address)
    assert url.host == str(url.address)  # the form of which depends on the version of Python


def test_a_name_has_no_address() -> None:
    assert Url.parse("http://127.0.0.1.example/").address is None


@pytest.mark.parametrize(
    ("text", "user_info", "host"),
    [
        ("http://user:pass@example.com/", ("user", "pass"), "example.com"),
        ("http://user@example.com/", ("user", ""), "example.com"),
        ("http://@example.com/", ("", ""), "example.com"),
        ("http://a%40b:c%3Ad@example.com/", ("a@b", "c:d"), "example.com"),
        ("http://trusted.example:80@evil.example/", ("trusted.example", "80"), "evil.example"),
        ("http://a@b@evil.example/", ("a@b", ""), "evil.example"),
        ("http://example.com/a@b", None, "example.com"),
        ("http://example.com?a@b", None, "example.com"),
        ("http://example.com#a@b", None, "example.com"),
    ],
)
def test_the_host_is_what_follows_the_last_at_sign_before_the_path(
    text: str, user_info: tuple[str, str] | None, host: str
) -> None:
    url = Url.parse(text)

    assert (url.user_info, url.host) == (user_info, host)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        "//example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "javascript://example.com/",
        "http:/example.com",
        "http:example.com",
        " http://example.com/",
        "http://example.com/ ",
        "http://",
        "http:///path",
        "http://:80/",
        "http://user@/",
        "http://.example.com/",
        "http://a..b/",
        "http://exa mple.com/",
        "http://exa%6dple.com/",
        "http://example.com\\@evil.example/",
        "http://example.com\\evil/",
        "http://exa/mple".replace("/m", "\u2100m"),
        f"http://{'a' * 64}.example/",
        f"http://{'.'.join(['a' * 60] * 5)}/",
        "http://faß.example/",
        "http://ex\u200dample.com/",
        "http://\ud800.example/",
        "http://example.com/\ud800",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:-1/",
        "http://example.com:+80/",
        "http://example.com:8 0/",
        "http://example.com:８０/",  # noqa: RUF001  full-width digits
        "http://example.com:000080/",
        "http://example.com:80:80/",
        "http://256.0.0.1/",
        "http://1.2.3.4.5/",
        "http://4294967296/",
        "http://0x/",
        "http://08.0.0.1/",
        "http://1.2.3.0x100/",
        "http://127.0.0.1 x.1/",
        "http://127.0.0.1\u00a0x.1/",
        "http://[::1/",
        "http://::1/",
        "http://[::1]x/",
        "http://[::g]/",
        "http://[127.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://[::1%eth0]/",
        "http://u%zz@example.com/",
        "http://u%ff@example.com/",
    ],
)
def test_what_names_no_usable_host_is_refused(text: str) -> None:
    with pytest.raises(InvalidUrl, match=r"^the (URL|port|path|user)"):
        Url.parse(text)


@pytest.mark.parametrize(
    "place", ["htt{}p://a/", "http://a{}b/", "http://a:8{}0/", "http://a/{}", "http://a/?q={}", "{}"]
)
@pytest.mark.parametrize("control", ["\r\n", "\r", "\n", "\t", "\0", "\x7f", "\x1b"])
def test_control_characters_are_refused_wherever_they_stand(place: str, control: str) -> None:
    with pytest.raises(InvalidUrl, match="control character"):
        Url.parse(place.format(control))


@pytest.mark.parametrize("text", ["http://sesame@exa mple.com/", "http://a:x/sesame", "http://[/sesame", "sesame"])
def test_a_refusal_does_not_quote_the_url(text: str) -> None:
    with pytest.raises(InvalidUrl) as caught:
        Url.parse(text)

    assert "sesame" not in str(caught.value)


def test_a_shown_url_leaves_out_its_secrets() -> None:
    assert repr(Url.parse("https://user:sesame@example.com/sesame?sesame")) == "Url(https://example.com:443/…)"


@given(st.text(max_size=60))
def test_no_text_in_a_url_reaches_another_line_of_the_request(text: str) -> None:
    for candidate in (f"http://example.com/{text}", f"http://{text}/", f"http://{text}@example.com/", text):
        try:
            url = Url.parse(candidate)
        except InvalidUrl:
            continue
        line, host_line, rest = url.after_method.split(b"\r\n")
        assert len(line.split(b" ")) == 3
        assert line.endswith(b" HTTP/1.1")
        assert host_line == b"Host: " + url.authority
        assert rest == b""
        assert url.after_method.isascii()


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_a_number_is_the_address_it_counts_to(number: int) -> None:
    address = Url.parse(f"http://{number}/").address

    assert address is not None
    assert int(address) == number
    assert Url.parse(f"http://{hex(number)}/").address == address
