"""The commands, typed as a person would."""

import asyncio
import json
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.http import call
from tests.support.process import OutpostProcess, free_port, running_outpost


async def test_serve_refuses_while_migrations_are_pending_and_says_the_one_next_command(tmp_path: Path) -> None:
    async with OutpostProcess(tmp_path) as outpost:
        code, _, err = await outpost.run("serve")

        assert code == 10
        assert "sqlite/000001_initial" in err
        assert "outpost migrate apply" in err
        assert not outpost.database.exists()


async def test_serve_starts_after_apply(tmp_path: Path) -> None:
    async with running_outpost(tmp_path) as outpost:
        health = (await call(outpost.port, "GET", "/healthz")).json()

        assert health["status"] == "healthy"
        assert health["workers"]["http-server"] == {"status": "healthy"}
        assert await outpost.terminate() == 0


async def test_the_first_line_of_the_log_tells_the_settings_in_force_and_no_secret(tmp_path: Path) -> None:
    async with running_outpost(tmp_path, TOPICS="user.created") as outpost:
        text = outpost.log.read_text()

    first = json.loads(text.splitlines()[0])
    assert (first["msg"], first["profile"], first["topics"]) == ("starting outpost", "embedded", ["user.created"])
    assert (first["api_key_configured"], first["sqlite_path"]) == (True, str(outpost.database))
    for secret in ("API_KEY", "API_JWT_SECRET", "AES_ENCRYPTION_SECRET"):
        assert outpost.settings[secret] not in text


async def test_nothing_configured_names_the_two_ways_to_start(tmp_path: Path) -> None:
    async with OutpostProcess(tmp_path) as outpost:
        del outpost.settings["SQLITE_PATH"]

        code, _, err = await outpost.run("serve")

        assert code == 64
        assert "outpost dev" in err
        assert "SQLITE_PATH" in err


async def test_a_missing_secret_is_named(tmp_path: Path) -> None:
    async with OutpostProcess(tmp_path) as outpost:
        code, _, err = await outpost.run("serve", API_KEY="")

        assert code == 64
        assert "API_KEY" in err


async def test_a_wrong_value_names_key_shape_and_range(tmp_path: Path) -> None:
    async with OutpostProcess(tmp_path) as outpost:
        code, _, err = await outpost.run("serve", API_PORT="http")

        assert code == 64
        assert "API_PORT" in err
        assert "environment" in err
        assert "65535" in err


async def test_a_taken_port_is_said(tmp_path: Path) -> None:
    listener = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, OutpostProcess(tmp_path) as outpost:
        await outpost.migrate()

        code, _, err = await outpost.run("serve", API_PORT=str(port))

        assert code == 64
        assert str(port) in err
        assert "API_PORT" in err


async def test_config_list_masks_secrets(tmp_path: Path) -> None:
    async with OutpostProcess(tmp_path) as outpost:
        code, out, err = await outpost.run("config", "list")

        assert code == 0
        assert "api_key_configured" in out
        for name in ("API_KEY", "API_JWT_SECRET", "AES_ENCRYPTION_SECRET"):
            assert outpost.settings[name] not in out + err


@pytest.mark.parametrize("command", ["serve", "dev"])
async def test_settings_without_effect_are_named_once_at_start(tmp_path: Path, command: str) -> None:
    useless = {"GIN_MODE": "debug", "ALERT_AUTO_DISABLE_DESTINATION": "true", "PORTAL_LOGO": ""}
    listener = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    taken = str(listener.sockets[0].getsockname()[1])
    async with listener, OutpostProcess(tmp_path, useless) as outpost:
        await outpost.migrate()

        _, _, err = await outpost.run(command, API_PORT=taken)  # a start that ends by itself

    named = "GIN_MODE (environment), ALERT_AUTO_DISABLE_DESTINATION (environment)"
    assert err.count("without effect") == err.count(f"set, but without effect in this version: {named}") == 1


async def test_dev_starts_with_nothing_configured_and_its_three_commands_work(tmp_path: Path) -> None:
    """What a newcomer does: start, paste three commands, look at the receiver."""
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "outpost",
        "dev",
        env={**environment, "API_PORT": str(port), "TOPICS": "order.paid"},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        printed = ""
        async with asyncio.timeout(20):
            while "Then look at what arrived" not in printed:
                line = await process.stdout.readline()
                assert line, printed
                printed += line.decode()
        commands = [line.strip() for line in printed.splitlines() if line.strip().startswith("curl ")]
        assert len(commands) == 3
        answers = [await _paste(command) for command in commands]
        async with asyncio.timeout(10):
            while not (arrived := await _arrivals(port)):
                await asyncio.sleep(0.05)
        page = (await call(port, "GET", "/dev/receiver")).body
    finally:
        process.terminate()
        await process.communicate()

    assert answers[1]["type"] == "webhook"
    assert answers[2]["destination_ids"] == [answers[1]["id"]]
    assert json.loads(arrived[0]["body"]) == {"hello": "world"}
    assert arrived[0]["signature"] == "verified"
    assert arrived[0]["headers"]["x-outpost-topic"] == "order.paid"
    assert b"x-outpost-topic" in page
    assert b"<details>" not in page  # the page renews itself, which would close them while someone reads
    assert process.returncode == 0
    key = tmp_path / "outpost-data" / "api-key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text() not in printed


async def _paste(command: str) -> dict[str, Any]:
    """Run the command's arguments as curl would, without needing curl."""
    method = re.search(r"-X (\w+)", command)
    url = re.search(r"http://127\.0\.0\.1:(\d+)(\S*)", command)
    body = re.search(r"-d '(.*)'", command)
    key_file = re.search(r"cat '([^']+)'", command)
    assert method
    assert url
    assert key_file
    answer = await call(
        int(url[1]),
        method[1],
        url[2],
        token=Path(key_file[1]).read_text(),
        raw=body[1].encode() if body else b"",
    )
    assert answer.status in (200, 201, 202), answer.body
    return answer.json()


async def _arrivals(port: int) -> list[dict[str, Any]]:
    return (await call(port, "GET", "/dev/receiver", headers={"Accept": "application/json"})).json()
