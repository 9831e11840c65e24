"""`outpost config list`."""

import json
from pathlib import Path

import pytest

from outpost.cli.config import format_fields
from outpost.cli.main import main
from outpost.config.settings import SETTINGS


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for row in SETTINGS:
        monkeypatch.delenv(row.key.env, raising=False)


def test_fields_are_sorted_padded_and_written_plainly() -> None:
    fields = {"topics": ("a", "b"), "api_port": 3333, "guard": False, "name": ""}

    assert format_fields(fields).split("\n") == ["api_port  3333", "guard     false", "name", "topics    [a b]"]


def test_what_is_in_force_is_listed_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("API_KEY", "hunter2")

    assert main(["config", "list", "--rabbitmq-server-url", "amqp://u:hunter2@mq:5672"]) == 0

    out, err = capsys.readouterr()
    listed = dict(line.split(maxsplit=1) for line in out.splitlines() if len(line.split(maxsplit=1)) == 2)
    assert listed["api_key_configured"] == "true"
    assert listed["rabbitmq_url"] == "amqp://***:***@mq:5672"
    assert listed["profile"] == "distributed"
    assert "hunter2" not in out + err


def test_an_incomplete_configuration_is_listed_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "list"]) == 0

    out, err = capsys.readouterr()
    assert "api_port" in out
    assert err.startswith("Warning: outpost serve would not start: no store is configured")


def test_the_file_may_be_named_on_either_side_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text("api_port: 4444\nunknown: 1\n")

    for argv in (["config", "-c", "own.yaml", "list"], ["config", "list", "--config", "own.yaml"]):
        assert main(argv) == 0
        out, err = capsys.readouterr()
        assert "4444" in out
        assert "Warning: own.yaml, line 2: unknown is not a setting" in err


def test_a_value_that_cannot_be_read_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "list", "--api-port", "x"]) == 64
    assert capsys.readouterr().err.startswith("Error: API_PORT (flag --api-port): 'x': not a whole number")


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "list", "--json", "--sqlite-path", "o.db"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    assert document["settings"]["profile"] == "embedded"
    assert document["settings"]["topics"] == []
    (warning,) = document["warnings"]
    assert warning.startswith(
        "outpost serve would not start: AES encryption secret is required: set AES_ENCRYPTION_SECRET; and API key"
    )
