"""What the guides promise an operator, each promise by its name, tried on the image as an operator would."""

import contextlib
import json
import os
import pty
import signal
import sqlite3
import subprocess

import pytest

import outpost
from tests.support.image import SECRETS, Container, ended

APPLY = ("migrate", "apply", "--yes")
DIES_MID_WAY = {"OUTPOST_MIGRATE_TESTING": "1", "OUTPOST_MIGRATE_FAILPOINT": "sqlite.before_commit:1:kill"}
FAILS_MID_WAY = {"OUTPOST_MIGRATE_TESTING": "1", "OUTPOST_MIGRATE_FAILPOINT": "sqlite.before_commit:1:raise"}


def _tables(container: Container) -> set[str]:
    with contextlib.closing(sqlite3.connect(container.data / "outpost.db")) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _change(container: Container, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(container.data / "outpost.db")) as connection, connection:
        connection.execute(statement)


def _at_a_terminal(container: Container, answer: str, *arguments: str) -> int:
    """Run a command as `docker run -it` does, and type `answer`."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer.encode())
        return subprocess.run(
            [container.image.program("outpost"), *arguments],
            env=container.environment(),
            stdin=theirs,
            capture_output=True,
            timeout=60,
        ).returncode
    finally:
        os.close(ours)
        os.close(theirs)


# --- explicit, before the server, through one interface


def test_migrations_are_applied_explicitly_and_never_by_a_starting_server(embedded: Container) -> None:
    embedded.run("serve", **SECRETS)

    assert not (embedded.data / "outpost.db").exists()


def test_the_server_refuses_to_start_while_a_migration_is_pending(embedded: Container) -> None:
    answer = embedded.run("serve", **SECRETS)

    assert answer.code == 10
    assert "sqlite/000001_initial" in answer.err
    assert answer.err.rstrip().endswith("outpost migrate apply")


def test_the_server_starts_once_apply_has_completed(embedded: Container) -> None:
    embedded.run(*APPLY)

    assert embedded.serves("serve")


def test_the_tool_is_part_of_the_program_and_tells_its_version_without_configuration(container: Container) -> None:
    assert container.run("--version").out == f"outpost {outpost.__version__}\n"
    assert "migrate" in container.run("--help").out


# --- before every start


def test_apply_is_safe_before_every_start_and_ends_at_once_when_nothing_is_pending(embedded: Container) -> None:
    embedded.run(*APPLY)
    before = (embedded.data / "outpost.db").read_bytes()

    answers = [embedded.run(*APPLY) for _ in range(3)]

    assert [answer.code for answer in answers] == [0, 0, 0]
    assert all("Nothing to do" in answer.out for answer in answers)
    assert (embedded.data / "outpost.db").read_bytes() == before  # so no lock was taken either


def test_apply_may_run_before_a_start_while_the_old_server_still_serves(embedded: Container) -> None:
    embedded.run(*APPLY)
    server = embedded.start("serve", **SECRETS, API_PORT="0")
    assert server.stderr is not None
    assert server.stderr.readline()

    assert embedded.run(*APPLY).code == 0
    server.send_signal(signal.SIGTERM)
    assert ended(server).code == 0


def test_a_wrapper_script_does_as_well(embedded: Container) -> None:
    assert embedded.serves(entrypoint=["migrate-then-serve"])


# --- plan, apply, verify


def test_plan_shows_what_will_change_and_changes_nothing(embedded: Container) -> None:
    answer = embedded.run("migrate", "plan")

    assert answer.code == 0
    assert "sqlite/000001_initial" in answer.out
    assert os.listdir(embedded.data) == []


def test_apply_creates_the_new_structures(embedded: Container) -> None:
    embedded.run(*APPLY)

    assert {"tenants", "destinations", "events", "attempts"} <= _tables(embedded)


def test_apply_asks_at_a_terminal_and_yes_skips_the_question(embedded: Container) -> None:
    assert _at_a_terminal(embedded, "n\n", "migrate", "apply") == 19
    assert not (embedded.data / "outpost.db").exists()
    assert _at_a_terminal(embedded, "", *APPLY) == 0


def test_apply_with_neither_terminal_nor_yes_fails_instead_of_doing_nothing_in_silence(embedded: Container) -> None:
    answer = embedded.run("migrate", "apply")

    assert answer.code == 19
    assert "--yes" in answer.err


def test_verify_checks_what_was_migrated_and_fails_on_a_difference(embedded: Container) -> None:
    embedded.run(*APPLY)
    good = embedded.run("migrate", "verify")
    _change(embedded, "DROP INDEX events_by_time")

    bad = embedded.run("migrate", "verify")

    assert (good.code, bad.code) == (0, 15)
    assert "events_by_time" in bad.out


# --- one at a time


def test_only_one_migration_runs_at_a_time_and_the_others_end_well(embedded: Container) -> None:
    answers = [ended(process) for process in [embedded.start(*APPLY) for _ in range(5)]]

    assert [answer.code for answer in answers] == [0] * 5
    assert sum("applied in" in answer.err for answer in answers) == 1


def test_status_shows_the_lock_a_crash_left_and_unlock_yes_removes_it(embedded: Container) -> None:
    embedded.run(*APPLY, **DIES_MID_WAY)

    held = embedded.run("migrate", "status")
    refused = embedded.run(*APPLY, "--lock-timeout", "0")
    unlocked = embedded.run("migrate", "unlock", "--yes")
    again = embedded.run(*APPLY)

    assert "held by" in held.out
    assert (refused.code, unlocked.code, again.code) == (11, 0, 0)
    assert "outpost migrate unlock" in refused.err
    assert "held by" not in embedded.run("migrate", "status").out


def test_a_lock_whose_holder_died_an_hour_ago_locks_nobody_out(embedded: Container) -> None:
    embedded.run(*APPLY, **DIES_MID_WAY)
    _change(embedded, "UPDATE outpost_migration_lease SET heartbeat_at = heartbeat_at - 3600")

    assert embedded.run(*APPLY, "--lock-timeout", "0").code == 0


# --- configuration


@pytest.mark.parametrize("source", ["environment", "file", "flag"])
def test_the_configuration_comes_from_environment_file_or_flags(container: Container, source: str) -> None:
    path = str(container.data / "chosen.db")
    (container.data / "outpost.yaml").write_text(f"sqlite:\n  path: {path}\n")
    arguments = {
        "environment": [],
        "file": ["--config", str(container.data / "outpost.yaml")],
        "flag": ["--sqlite-path", path],
    }
    settings = {"SQLITE_PATH": path} if source == "environment" else {}

    answer = container.run(*APPLY, *arguments[source], **settings)

    assert answer.code == 0, answer.err
    assert (container.data / "chosen.db").exists()


def test_the_configuration_is_the_same_as_that_of_the_server(container: Container) -> None:
    settings = f"sqlite:\n  path: {container.data / 'outpost.db'}\n"
    (container.data / "both.yaml").write_text(settings)
    config = ["--config", str(container.data / "both.yaml")]

    assert container.run(*APPLY, *config).code == 0
    assert container.serves("serve", *config)


def test_no_command_needs_settings_that_it_does_not_use(embedded: Container) -> None:
    for command in ("plan", "status", "list", "apply --yes", "verify", "history", "doctor", "unlock --yes"):
        assert embedded.run("migrate", *command.split()).code == 0, command


# --- when it fails


def test_a_failed_migration_says_why_and_is_in_the_history(embedded: Container) -> None:
    answer = embedded.run(*APPLY, **FAILS_MID_WAY)

    assert answer.code == 13
    assert answer.err.splitlines()[-1] == "Error: failpoint sqlite.before_commit was asked to fail"
    assert "failpoint sqlite.before_commit" in embedded.run("migrate", "history").out


def test_a_failed_migration_can_be_tried_again_safely(embedded: Container) -> None:
    embedded.run(*APPLY, **FAILS_MID_WAY)

    assert embedded.run(*APPLY).code == 0
    assert embedded.run("migrate", "verify").code == 0
    assert [run["outcome"] for run in json.loads(embedded.run("migrate", "history", "--json").out)["runs"]][-1] == "ok"


def test_partial_progress_is_kept_between_attempts(embedded: Container) -> None:
    embedded.run(*APPLY, OUTPOST_MIGRATE_TESTING="1", OUTPOST_MIGRATE_FAILPOINT="sqlite.after_commit:1:kill")
    listed = embedded.run("migrate", "list", "--json").out
    embedded.run("migrate", "unlock", "--yes")

    again = embedded.run(*APPLY)

    assert json.loads(listed)["migrations"][0]["state"] == "applied"
    assert again.code == 0
    assert embedded.run("migrate", "list", "--json").out == listed  # applied then, and not once more
