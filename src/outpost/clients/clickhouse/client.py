"""The client: statements, rows out, rows in."""

import asyncio
import base64
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit

import msgspec

from outpost.clients.clickhouse.errors import DataRejected, ResultTooLarge, TimedOut, Unavailable, error_of
from outpost.clients.clickhouse.text import Value, parameter_text
from outpost.clients.clickhouse.transport import NoAnswer, Transport

_Row = TypeVar("_Row")

_TIMEOUT_SECONDS = 30.0
_MAX_RESULT_BYTES = 64 * 1024 * 1024

# So that an error is answered as one, not written behind the rows that were sent before it.
_ALWAYS = {"wait_end_of_query": "1"}
# 64-bit integers as numbers, times in RFC 3339 and UTC.
_ROWS_OUT = {
    "default_format": "JSONEachRow",
    "output_format_json_quote_64bit_integers": "0",
    "date_time_output_format": "iso",
}
_ROWS_IN = {"date_time_input_format": "best_effort"}


class ClickHouse:
    """A database on a ClickHouse server; calls may run together.

    Each call is one request. The transport may send it a second time if a kept connection turns out dead, so
    statements should bear being run twice.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        url: str,
        user: str = "",
        password: str = "",
        database: str = "",
    ) -> None:
        """Make a client; nothing is sent.

        Args:
            url: Where the server speaks HTTP. User and password in it count where `user` is empty.
            user: Default: the server's own, `default`.
            database: Default: the user's.
        """
        parts = urlsplit(url)
        if not user and parts.username:
            user, password = unquote(parts.username), unquote(parts.password or "")
        place = parts.netloc.rpartition("@")[2]
        self._transport = transport
        self._url = urlunsplit((parts.scheme, place, parts.path or "/", "", ""))
        self._always = {**_ALWAYS, **({"database": database} if database else {})}
        self._head = _authorization(user or "default", password)
        self.address = f"{parts.scheme}://{place}" + (f"/{database}" if database else "")

    def __repr__(self) -> str:
        return f"ClickHouse({self.address})"

    async def execute(
        self,
        statement: str,
        parameters: Mapping[str, Value] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        """Run one statement and wait for its end.

        Args:
            parameters: For `{name:Type}` in the statement.
            settings: Of the server, for this statement.
            seconds: How long it may take, all in all.

        Raises:
            ClickHouseError: It could not be run.
        """
        await self._send(statement.encode(), b"", parameters or {}, settings or {}, seconds=seconds)

    async def select(
        self,
        statement: str,
        parameters: Mapping[str, Value] | None = None,
        *,
        row: type[_Row],
        settings: Mapping[str, str] | None = None,
        seconds: float = _TIMEOUT_SECONDS,
        max_bytes: int = _MAX_RESULT_BYTES,
    ) -> list[_Row]:
        """Return rows, each decoded as a `row`.

        Args:
            statement: Without FORMAT.
            row: What msgspec decodes from an object with a member for each column.
            max_bytes: Most that the rows may take as JSON.

        Raises:
            ResultTooLarge: There is more than `max_bytes`.
            DataRejected: What the columns hold is no `row`.
            ClickHouseError: It could not be run.
        """
        wanted = {**_ROWS_OUT, **(settings or {})}
        body = await self._send(statement.encode(), b"", parameters or {}, wanted, seconds=seconds, max_bytes=max_bytes)
        try:
            return msgspec.json.Decoder(row).decode_lines(body)
        except msgspec.MsgspecError as error:
            raise DataRejected(self.address, str(error)) from None

    async def insert(
        self,
        into: str,
        rows: Iterable[Any],
        *,
        settings: Mapping[str, str] | None = None,
        seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        """Insert rows; when this returns, the server has stored all of them.

        Args:
            into: A table, with its columns in parentheses if not all are given.
            rows: What msgspec encodes as an object with a member for each column.

        Raises:
            ClickHouseError: They could not be stored. What goes into one partition was stored whole or not at all.
        """
        lines = msgspec.json.Encoder().encode_lines(rows)
        if not lines:
            return
        statement = f"INSERT INTO {into} FORMAT JSONEachRow"
        await self._send(lines, statement.encode(), {}, {**_ROWS_IN, **(settings or {})}, seconds=seconds)

    async def _send(
        self,
        body: bytes,
        before_the_body: bytes,
        parameters: Mapping[str, Value],
        settings: Mapping[str, str],
        *,
        seconds: float,
        max_bytes: int = _MAX_RESULT_BYTES,
    ) -> bytes:
        asked: dict[str, str | bytes] = {**self._always, **settings}
        asked |= {f"param_{name}": parameter_text(value) for name, value in parameters.items()}
        if before_the_body:
            asked["query"] = before_the_body
        try:
            answer = await self._transport(
                f"{self._url}?{urlencode(asked)}",
                self._head,
                body,
                deadline=asyncio.get_running_loop().time() + seconds,
                max_body=max_bytes,
            )
        except NoAnswer as error:
            raise (TimedOut if error.timed_out else Unavailable)(self.address, error.reason) from None
        if error := error_of(answer, self.address):
            raise error
        if answer.truncated:
            raise ResultTooLarge(self.address, f"more than {max_bytes} bytes")
        return answer.body


def _authorization(user: str, password: str) -> bytes:
    # Of the ways to log in, the one that takes any character of a password.
    if ":" in user:
        raise ValueError("a ClickHouse user name with a colon cannot be sent over HTTP")
    return b"Authorization: Basic %b\r\n" % base64.b64encode(f"{user}:{password}".encode())
