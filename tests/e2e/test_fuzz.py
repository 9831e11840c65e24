"""Whatever is sent, the server answers, and never with a fault of its own."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.support.http import call, exchange
from tests.support.process import API_KEY, running_outpost
from tests.support.sdk import schemathesis_program

_DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.yaml"
_EXAMPLES = "20"
# Most of what is made up names a tenant that does not exist; this one does, until it is deleted, and again after a PUT.
_SETTINGS = """
[parameters]
"path.tenant_id" = "acme"
"query.tenant_id" = "acme"
"""


@pytest.mark.timeout(600)
async def test_requests_made_from_the_schema_and_against_it_meet_no_5xx(tmp_path: Path) -> None:
    program = schemathesis_program()
    (tmp_path / "schemathesis.toml").write_text(_SETTINGS)
    async with running_outpost(tmp_path) as outpost:
        await outpost.api("PUT", "/tenants/acme")
        fuzzing = await asyncio.create_subprocess_exec(
            str(program),
            "run",
            str(_DOCUMENT),
            "--url",
            f"http://127.0.0.1:{outpost.port}/api/v1",
            "--header",
            f"Authorization: Bearer {API_KEY}",
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
            "--mode",
            "all",
            "--max-examples",
            _EXAMPLES,
            "--seed",
            "1",
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await fuzzing.communicate()

        assert fuzzing.returncode == 0, out.decode()[-8000:]
        assert await outpost.healthy()


BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"\xff\xfe",
    b'{"tenant_id":"acme","data":{"a":"\xed\xa0\x80"}}',
    b'{"tenant_id":"ac\\u0000me","data":{}}',
    b'{"tenant_id":"acme","data":{},"metadata":{"k":"\\u0000"}}',
    b'{"tenant_id":"acme","data":{},"id":"\\ud800"}',
    b'{"tenant_id":1,"data":{}}',
    b'{"tenant_id":"acme","data":[]}',
    b'{"tenant_id":"acme","data":{},"time":"yesterday"}',
    b'{"tenant_id":"acme","data":{},"metadata":{"n":1}}',
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    b"[" * 200_000,
    b'{"tenant_id":"acme","data":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
]


async def test_a_body_that_is_rubbish_is_refused_and_stores_nothing(tmp_path: Path) -> None:
    async with running_outpost(tmp_path) as outpost:
        await outpost.destination("acme", "http://127.0.0.1:9/")

        answers = [await outpost.api("POST", "/publish", raw=body) for body in BODIES]

        assert [body[:100] for body, answer in zip(BODIES, answers, strict=True) if answer.status != 422] == []
        assert {answer.json()["status"] for answer in answers} == {422}
        assert outpost.rows("SELECT count(*) FROM events") == [(0,)]


async def test_a_body_past_the_limit_is_refused_on_every_road(tmp_path: Path) -> None:
    async with running_outpost(tmp_path, MAX_BODY_BYTES="1000") as outpost:
        large = b'{"tenant_id":"acme","data":{"fill":"%s"}}' % (b"x" * 2000)

        published = await outpost.api("POST", "/publish", raw=large)
        put = await outpost.api("PUT", "/tenants/acme", raw=large)

        assert (published.status, put.status) == (413, 413)


async def test_a_wrong_key_is_refused_and_not_logged(tmp_path: Path) -> None:
    async with running_outpost(tmp_path, LOG_LEVEL="debug") as outpost:
        for token in ("not-the-key-1234", API_KEY + "x", API_KEY[:-1]):
            answer = await call(outpost.port, "POST", "/api/v1/publish", {}, token=token)
            assert (answer.status, answer.json()["message"]) == (401, "unauthorized")
        await outpost.terminate()

        log = outpost.log.read_text()
        assert "not-the-key-1234" not in log
        assert API_KEY not in log


async def test_a_request_that_never_ends_is_cut_off(tmp_path: Path) -> None:
    async with running_outpost(tmp_path) as outpost:
        connections = [await asyncio.open_connection("127.0.0.1", outpost.port) for _ in range(50)]
        for _, writer in connections[:25]:
            writer.write(b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\n")
        for _, writer in connections[25:]:
            key = b"Authorization: Bearer " + API_KEY.encode()
            writer.write(b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\n" + key + b"\r\nContent-Length: 100\r\n\r\n{")

        async with asyncio.timeout(15):
            rests = await asyncio.gather(*(reader.read() for reader, _ in connections))

        assert set(rests) == {b""}
        for _, writer in connections:
            writer.close()
        assert await outpost.healthy()


BROKEN = [
    b"NONSENSE\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
]


async def test_a_broken_request_is_answered_with_400(tmp_path: Path) -> None:
    async with running_outpost(tmp_path) as outpost:
        answers = [await exchange(outpost.port, request) for request in BROKEN]

        assert [answer.status for answer in answers] == [400] * len(BROKEN)
        assert await outpost.healthy()
