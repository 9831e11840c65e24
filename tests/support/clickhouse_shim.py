"""ClickHouse's HTTP interface over its engine as a library; run by the Python of `.cache/clickhouse`.

    python clickhouse_shim.py --folder F --port N --user U --password P

Statements, formats, settings, parameters and error codes are the engine's own. Written here is what the library leaves
out: the wire, and one user with a password. Unlike the server it answers only when a statement has ended.
"""

import argparse
import base64
import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb  # pyright: ignore[reportMissingImports] - of the side environment

# Parameters of a request that are no settings (ClickHouse, "HTTP Interface").
_NO_SETTINGS = {
    "compress",
    "database",
    "decompress",
    "default_format",
    "enable_http_compression",
    "password",
    "query",
    "query_id",
    "role",
    "session_id",
    "session_timeout",
    "user",
    "wait_end_of_query",
}
_AUTHENTICATION_FAILED = 516
# What the server answers for an error; 500 for all others.
_STATUSES = {
    **dict.fromkeys((6, 26, 27, 36, 38, 41, 42, 43, 44, 46, 47, 53, 62, 63, 70, 72, 117, 164, 457), 400),
    **dict.fromkeys((50, 60, 81), 404),
    **dict.fromkeys((192, 193, 194, 291, 497, _AUTHENTICATION_FAILED), 403),
    159: 408,
}


@dataclass(frozen=True)
class Outcome:
    """What a statement came to: its output, or an error."""

    body: bytes
    code: int = 0
    rows_read: int = 0
    rows_written: int = 0


class Engine:
    """The engine, with a session of its own for each statement."""

    def __init__(self, folder: str) -> None:
        self._address = folder
        self._keeps_it_running = chdb.connect(folder)

    def run(
        self,
        statement: bytes,
        *,
        output_format: str,
        database: str,
        settings: Mapping[str, str],
        parameters: Mapping[str, str],
        read_only: bool,
    ) -> Outcome:
        session = chdb.connect(self._address)
        try:
            if database:
                session.query(f"USE {_quoted(database, '`')}")
            for name, value in settings.items():
                session.query(f"SET {name} = {_quoted(value, chr(39))}")
            if read_only:
                session.query("SET readonly = 2")
            result = session.query(statement, output_format, params=dict(parameters) or None)
            return Outcome(result.bytes(), 0, result.rows_read(), result.rows_written())
        except RuntimeError as error:
            said = re.match(r"Code: (\d+)", str(error))
            return Outcome(f"{error}\n".encode(), int(said[1]) if said else 1000)
        finally:
            session.close()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is written in three parts
    engine: Engine
    user: str
    password: str

    def do_GET(self) -> None:
        self._answer(read_only=True)

    def do_POST(self) -> None:
        self._answer(read_only=False)

    def _answer(self, *, read_only: bool) -> None:
        url = urlsplit(self.path)
        asked = dict(parse_qsl(url.query, keep_blank_values=True))
        body = self._body()
        if url.path == "/ping":
            self._send(200, b"Ok.\n")
        elif url.path != "/":
            self._send(404, f"There is no handle {url.path}\n".encode())
        elif not self._is_known(asked):
            name = self._header("X-ClickHouse-User") or asked.get("user") or "default"
            said = f"{name}: Authentication failed: password is incorrect, or there is no user with such name."
            text = f"Code: {_AUTHENTICATION_FAILED}. DB::Exception: {said} (AUTHENTICATION_FAILED)\n"
            self._send_outcome(Outcome(text.encode(), _AUTHENTICATION_FAILED), asked)
        else:
            self._send_outcome(self._run(asked, body, read_only=read_only), asked)

    def _run(self, asked: Mapping[str, str], body: bytes, *, read_only: bool) -> Outcome:
        statement = asked.get("query", "").encode()
        return self.engine.run(
            statement + b"\n" + body if statement and body else statement or body,
            output_format=asked.get("default_format") or self._header("X-ClickHouse-Format") or "TabSeparated",
            database=asked.get("database") or self._header("X-ClickHouse-Database"),
            settings={name: value for name, value in asked.items() if not _is_reserved(name)},
            parameters={name[6:]: value for name, value in asked.items() if name.startswith("param_")},
            read_only=read_only,
        )

    def _is_known(self, asked: Mapping[str, str]) -> bool:
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            return base64.b64decode(encoded).decode() == f"{self.user}:{self.password}"
        name = self._header("X-ClickHouse-User") or asked.get("user")
        password = self._header("X-ClickHouse-Key") or asked.get("password")
        return (name, password) == (self.user, self.password)

    def _header(self, name: str) -> str:
        return self.headers.get(name, "").encode("latin-1").decode()  # http.server reads bytes as Latin-1, we as UTF-8

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b"".join(self._chunks())
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        match self.headers.get("Content-Encoding", "").lower():
            case "gzip":
                return gzip.decompress(body)
            case "deflate":
                return zlib.decompress(body)
            case _:
                return body

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers

    def _send_outcome(self, outcome: Outcome, asked: Mapping[str, str]) -> None:
        summary = {"read_rows": str(outcome.rows_read), "written_rows": str(outcome.rows_written)}
        headers = {"X-ClickHouse-Summary": json.dumps(summary)}
        body = outcome.body
        if outcome.code:
            headers["X-ClickHouse-Exception-Code"] = str(outcome.code)
        if asked.get("enable_http_compression") == "1" and "gzip" in self.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, 1)
        self._send(_STATUSES.get(outcome.code, 500) if outcome.code else 200, body, headers)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send an answer, in chunks as the server does."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if body:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(body), body))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        """Keep the log for what went wrong."""


def _is_reserved(name: str) -> bool:
    return name in _NO_SETTINGS or name.startswith("param_") or not re.fullmatch(r"\w+", name)


def _quoted(text: str, quote: str) -> str:
    return quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("folder", "user", "password"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--port", required=True, type=int)
    given = parser.parse_args()
    Handler.engine = Engine(given.folder)
    Handler.user = given.user
    Handler.password = given.password
    with Server(("127.0.0.1", given.port), Handler) as server:
        print(f"listening on port {given.port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
