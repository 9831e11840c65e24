"""What the client sends and how it takes answers that a real server seldom gives."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from outpost.clients.clickhouse import (
    AccessDenied,
    Answer,
    ClickHouse,
    ClickHouseError,
    NoAnswer,
    StatementFailed,
    TimedOut,
    Unavailable,
    quoted_identifier,
)


@dataclass
class Canned:
    """An answer, and the transport that gives it."""

    status: int = 200
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes = b""
    truncated: bool = False
    sent: list[tuple[str, bytes, bytes]] = field(default_factory=list[tuple[str, bytes, bytes]])

    async def __call__(self, url: str, head: bytes, body: bytes, *, deadline: float, max_body: int) -> Answer:
        self.sent.append((url, head, body))
        return self


async def _error_of(answer: Canned) -> ClickHouseError:
    with pytest.raises(ClickHouseError) as raised:
        await ClickHouse(answer, url="http://db:8123").execute("SELECT 1")
    return raised.value


@pytest.mark.parametrize(
    ("url", "user", "password"), [("http://db:8123", "me", "p:@ß\n"), ("http://me:p%3A%40%C3%9F%0A@db:8123", "", "")]
)
async def test_any_password_is_sent_and_none_is_shown(url: str, user: str, password: str) -> None:
    transport = Canned()
    clickhouse = ClickHouse(transport, url=url, user=user, password=password, database="events")

    await clickhouse.execute("SELECT 1")

    (sent_url, head, _) = transport.sent[0]
    assert base64.b64decode(head.split()[-1]).decode() == "me:p:@ß\n"
    assert sent_url.startswith("http://db:8123/?")
    assert repr(clickhouse) == "ClickHouse(http://db:8123/events)"


async def test_a_path_of_the_url_is_kept_for_a_proxy() -> None:
    transport = Canned()

    await ClickHouse(transport, url="https://proxy/clickhouse").execute("SELECT 1")

    assert transport.sent[0][0].startswith("https://proxy/clickhouse?")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Canned(502, body=b"<html>Bad Gateway</html>"), Unavailable),
        (Canned(403, body=b"<html>Forbidden</html>"), AccessDenied),
        (Canned(404, body=b"<html>Not Found</html>"), StatementFailed),
        (
            Canned(200, [(b"x-clickhouse-exception-code", b"241")], b"rows, then Code: 241. DB::Exception: x"),
            Unavailable,
        ),
        (Canned(500, body=b'{"exception": "Code: 160. DB::Exception: too slow (version 24.8)"}'), TimedOut),
        (Canned(500, [(b"x-clickhouse-exception-code", b"12345")], b""), StatementFailed),
    ],
)
async def test_an_answer_that_is_no_result_is_an_error(answer: Canned, kind: type[ClickHouseError]) -> None:
    assert type(await _error_of(answer)) is kind


async def test_what_a_server_says_is_shown_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    said = b"Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR) (version 24.8.1)\nand more"

    error = await _error_of(Canned(400, [(b"x-clickhouse-exception-code", b"62")], said))

    assert str(error) == "ClickHouse at http://db:8123: the statement failed: Syntax error. (SYNTAX_ERROR) [62]"


@pytest.mark.parametrize(("timed_out", "kind"), [(False, Unavailable), (True, TimedOut)])
async def test_no_answer_is_unavailable(timed_out: bool, kind: type[ClickHouseError]) -> None:
    async def transport(url: str, head: bytes, body: bytes, *, deadline: float, max_body: int) -> Answer:
        raise NoAnswer("gone", timed_out=timed_out)

    with pytest.raises(ClickHouseError, match="gone") as raised:
        await ClickHouse(transport, url="http://db:8123").execute("SELECT 1")

    assert type(raised.value) is kind


async def test_no_rows_are_not_sent() -> None:
    transport = Canned()

    await ClickHouse(transport, url="http://db:8123").insert("t", [])

    assert transport.sent == []


def test_a_name_is_quoted_whatever_is_in_it() -> None:
    assert quoted_identifier("my-`table\\") == r"`my-\`table\\`"
