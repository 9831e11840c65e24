"""An HTTP server that answers as a ClickHouse server in trouble would: with its error codes, in the order asked for."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit


class StubServer:
    """Answers each statement by the first rule that matches it; what no rule matches succeeds without rows."""

    def __init__(self) -> None:
        self.port = 0
        self.statements: list[str] = []
        self._rules: list[tuple[re.Pattern[str], list[int | Sequence[Any]]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, pattern: str, *answers: int | Sequence[Any]) -> None:
        """Answer statements that contain `pattern`; later rules go first.

        Args:
            answers: One after the other, and the last again and again: an error code, or rows (0 and [] are success).
        """
        self._rules.insert(0, (re.compile(pattern), list(answers)))

    def sent(self, pattern: str) -> list[str]:
        return [statement for statement in self.statements if re.search(pattern, statement)]

    def _answer_to(self, statement: str) -> tuple[int, Sequence[Any]]:
        for pattern, answers in self._rules:
            if pattern.search(statement):
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                return (answer, []) if isinstance(answer, int) else (0, answer)
        return 0, []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])  # type: ignore[index]
                body = (await reader.readexactly(length)).decode()
                asked = parse_qs(urlsplit(head.split(b" ", 2)[1].decode()).query)
                statement = " ".join([*asked.get("query", []), body])
                self.statements.append(statement)
                code, rows = self._answer_to(statement)
                said = f"Code: {code}. DB::Exception: in trouble. (TROUBLE)\n"
                text = (said if code else "".join(json.dumps(row) + "\n" for row in rows)).encode()
                lines = [f"HTTP/1.1 {500 if code else 200} x", f"Content-Length: {len(text)}"]
                lines += [f"X-ClickHouse-Exception-Code: {code}"] if code else []
                writer.write("\r\n".join([*lines, "", ""]).encode() + text)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def clickhouse_in_trouble() -> AsyncIterator[StubServer]:
    stub = StubServer()
    server = await asyncio.start_server(stub._serve, "127.0.0.1", 0)
    stub.port = server.sockets[0].getsockname()[1]
    async with server:
        yield stub
