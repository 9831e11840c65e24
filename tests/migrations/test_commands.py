"""`outpost migrate`, typed as a person would, with the exit codes of the table."""

import asyncio
import json
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.process import OutpostProcess


@pytest.fixture
async def outpost(tmp_path: Path) -> AsyncIterator[OutpostProcess]:
    async with OutpostProcess(tmp_path) as outpost:
        yield outpost


async def test_every_command_names_the_stores_it_acts_on_first(outpost: OutpostProcess) -> None:
    for command in ("plan", "list", "status", "verify", "history", "doctor", "pause", "resume"):
        _, out, _ = await outpost.run("migrate", command)

        assert out.splitlines()[0] == f"Stores    sqlite {outpost.database}"


async def test_the_plan_writes_nothing_and_can_tell_by_its_exit_code(outpost: OutpostProcess) -> None:
    code, out, _ = await outpost.run("migrate", "plan")
    detailed, *_ = await outpost.run("migrate", "plan", "--detailed-exitcode")

    assert (code, detailed) == (0, 2)
    assert "sqlite/000001_initial" in out
    assert not outpost.database.exists()


async def test_apply_without_terminal_and_without_yes_fails_and_changes_nothing(outpost: OutpostProcess) -> None:
    code, _, err = await outpost.run("migrate", "apply")

    assert code == 19
    assert "--yes" in err
    assert not outpost.database.exists()


async def test_apply_then_nothing_is_left_to_do(outpost: OutpostProcess) -> None:
    first, out, _ = await outpost.run("migrate", "apply", "--yes")
    second, again, _ = await outpost.run("migrate", "apply", "--yes")
    status, *_ = await outpost.run("migrate", "status", "--exit-code")

    assert (first, second, status) == (0, 0, 0)
    assert "sqlite/000001_initial" in out
    assert "Nothing to do" in again


async def test_flags_may_stand_before_or_after_the_command_and_beat_the_environment(
    outpost: OutpostProcess, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"

    before, *_ = await outpost.run("migrate", "--sqlite-path", str(other), "apply", "--yes")
    after, out, _ = await outpost.run("migrate", "list", "--sqlite-path", str(other), "--json")

    assert (before, after) == (0, 0)
    assert json.loads(out)["migrations"][0]["state"] == "applied"
    assert not outpost.database.exists()


async def test_json_is_one_document_with_schema_command_and_ok(outpost: OutpostProcess) -> None:
    for command in ("plan", "list", "status", "apply", "verify", "history", "doctor", "unlock", "cleanup"):
        arguments = ["--yes"] if command in ("apply", "unlock", "cleanup") else []
        code, out, _ = await outpost.run("migrate", command, "--json", *arguments)

        document = json.loads(out)
        assert (document["schema"], document["command"]) == (1, command)
        assert document["ok"] is (code == 0)


async def test_a_failure_is_json_too_and_keeps_its_code(outpost: OutpostProcess) -> None:
    outpost.database.write_bytes(b"no database at all, but long enough to be read as one" * 30)

    code, out, err = await outpost.run("migrate", "apply", "--yes", "--json")

    assert code == 16
    assert json.loads(out)["error"]["code"] == "migration_refused"
    assert err.startswith("Error: ")


async def test_events_are_lines_of_json(outpost: OutpostProcess, tmp_path: Path) -> None:
    events = tmp_path / "events.ndjson"

    await outpost.run("migrate", "apply", "--yes", "--events", str(events))

    lines = [json.loads(line) for line in events.read_text().splitlines()]
    assert [line["event"] for line in lines] == [
        "lock_acquired",
        "run_started",
        "step_started",
        "step_applied",
        "run_finished",
    ]
    assert all(line["run"] and line["fence"] == 1 and line["at"] for line in lines)


async def test_wrong_usage_is_64(outpost: OutpostProcess) -> None:
    for arguments in (["nonsense"], ["apply", "--lock-timeout", "soon"], [], ["plan", "--sql-only", "--redis-only"]):
        code, *_ = await outpost.run("migrate", *arguments)

        assert code == 64, arguments


async def test_a_family_without_store_is_wrong_usage(outpost: OutpostProcess) -> None:
    code, _, err = await outpost.run("migrate", "plan", "--redis-only")

    assert code == 64
    assert "no redis store is configured" in err


@pytest.mark.parametrize("arguments", [["plan"], ["plan", "--json"]], ids=" ".join)
async def test_a_key_of_the_file_that_there_is_not_is_named_with_the_nearest(
    outpost: OutpostProcess, tmp_path: Path, arguments: list[str]
) -> None:
    file = tmp_path / "outpost.yaml"
    file.write_text("deployment_idd: blue\n")

    code, out, err = await outpost.run("migrate", *arguments, "--config", str(file))
    _, _, of_config = await outpost.run("config", "list", "--config", str(file))

    assert code == 0
    assert "deployment_idd is not a setting; did you mean deployment_id?" in err
    assert err.startswith("Warning: ")
    assert err == of_config
    assert "deployment_idd" not in out


@pytest.mark.parametrize("command", [["migrate", "apply", "--yes"], ["migrate", "status"], ["serve"]], ids=" ".join)
async def test_a_file_for_tls_that_there_is_not_is_a_wrong_configuration(
    outpost: OutpostProcess, command: list[str]
) -> None:
    del outpost.settings["SQLITE_PATH"]
    url = "postgres://me:hunter2@127.0.0.1:1/outpost?sslmode=verify-full&sslrootcert=/no/such/file"

    code, out, err = await outpost.run(
        *command, REDIS_HOST="127.0.0.1", RABBITMQ_SERVER_URL="amqp://h", POSTGRES_URL=url
    )

    assert code == 64
    assert err == "Error: POSTGRES_URL: sslrootcert: /no/such/file cannot be read: No such file or directory\n"
    assert "hunter2" not in out


async def test_nothing_configured_names_the_ways_to_start(outpost: OutpostProcess) -> None:
    del outpost.settings["SQLITE_PATH"]

    code, _, err = await outpost.run("migrate", "apply", "--yes")

    assert code == 64
    assert "SQLITE_PATH" in err


@pytest.mark.parametrize("place", ["sqlite.statement:9", "sqlite.before_commit:1", "sqlite.after_commit:1"])
async def test_a_run_killed_anywhere_is_finished_by_the_next(outpost: OutpostProcess, place: str) -> None:
    failpoint = {"OUTPOST_MIGRATE_TESTING": "1", "OUTPOST_MIGRATE_FAILPOINT": f"{place}:kill"}

    killed, *_ = await outpost.run("migrate", "apply", "--yes", **failpoint)
    _, locked, _ = await outpost.run("migrate", "status")
    unlocked, *_ = await outpost.run("migrate", "unlock", "--yes")
    code, _, err = await outpost.run("migrate", "apply", "--yes")
    verified, *_ = await outpost.run("migrate", "verify")

    assert killed == -signal.SIGKILL
    assert "held by" in locked
    assert (unlocked, code, verified) == (0, 0, 0), err


async def test_who_does_not_want_to_wait_is_told_who_holds_the_lock(outpost: OutpostProcess) -> None:
    await outpost.run(
        "migrate",
        "apply",
        "--yes",
        OUTPOST_MIGRATE_TESTING="1",
        OUTPOST_MIGRATE_FAILPOINT="sqlite.before_commit:1:kill",
    )

    code, _, err = await outpost.run("migrate", "apply", "--yes", "--lock-timeout", "0")

    assert code == 11
    assert "outpost migrate unlock" in err


async def test_many_at_once_apply_each_migration_once_and_all_succeed(outpost: OutpostProcess) -> None:
    answers = await asyncio.gather(*[outpost.run("migrate", "apply", "--yes") for _ in range(8)])

    assert [code for code, _, _ in answers] == [0] * 8
    assert len(outpost.rows("SELECT * FROM outpost_migrations")) == 1


async def test_a_person_at_a_terminal_is_asked(outpost: OutpostProcess) -> None:
    assert await _at_a_terminal(outpost, b"n\n") == 19
    assert not outpost.database.exists()
    assert await _at_a_terminal(outpost, b"YES\n") == 0
    assert len(outpost.rows("SELECT * FROM outpost_migrations")) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_at_the_question_ends_it_at_once(
    outpost: OutpostProcess, number: signal.Signals, code: int
) -> None:
    assert await _at_a_terminal(outpost, number) == code
    assert not outpost.database.exists()


async def test_without_yes_json_is_one_document_and_nothing_is_asked(outpost: OutpostProcess) -> None:
    code, out, _ = await outpost.run("migrate", "apply", "--json")

    assert code == 19
    assert json.loads(out)["error"]["code"] == "cancelled"
    assert not outpost.database.exists()


async def test_a_wrong_configuration_is_json_too(outpost: OutpostProcess) -> None:
    code, out, err = await outpost.run("migrate", "plan", "--json", "--redis-only")

    assert code == 64
    assert json.loads(out)["error"]["message"] in err


async def test_a_closed_standard_input_counts_as_no_terminal(outpost: OutpostProcess) -> None:
    process = await _started(outpost, "apply <&-")
    _, err = await process.communicate()

    assert process.returncode == 19
    assert b"--yes" in err


async def test_a_reader_that_has_had_enough_is_no_defect(outpost: OutpostProcess) -> None:
    process = await _started(outpost, "plan --verbose | true")
    _, err = await process.communicate()

    assert err == b""


@pytest.mark.parametrize("name", ["nonsense", "000002_nonsense", "redis/001_hash_tags"])
async def test_a_target_that_there_is_not_is_wrong_usage_and_changes_nothing(
    outpost: OutpostProcess, name: str
) -> None:
    code, _, err = await outpost.run("migrate", "apply", "--yes", "--to", name)

    assert code == 64
    assert "outpost migrate list" in err
    assert not outpost.database.exists()


async def _started(outpost: OutpostProcess, command: str) -> asyncio.subprocess.Process:
    """Start a line of shell that begins with a migrate command."""
    return await asyncio.create_subprocess_shell(
        f'"{sys.executable}" -m outpost migrate {command}',
        env={**os.environ, **outpost.settings},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def _at_a_terminal(outpost: OutpostProcess, answer: bytes | signal.Signals) -> int:
    """Answer the question of `apply`, or send a signal when it was asked."""
    ours, theirs = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "outpost",
            "migrate",
            "apply",
            env={**os.environ, **outpost.settings},
            stdin=theirs,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        async with asyncio.timeout(20):
            await process.stdout.readuntil(b"[y/N] ")
            if isinstance(answer, signal.Signals):
                process.send_signal(answer)
            else:
                os.write(ours, answer)
            await process.stdout.read()
            return await process.wait()
    finally:
        os.close(ours)
        os.close(theirs)
