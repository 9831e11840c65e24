"""The frame of the command line program."""

import argparse
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from outpost import __version__
from outpost.cli import exit_codes
from outpost.cli.main import COMMANDS, main
from outpost.cli.options import SettingFlags, add_settings_help
from outpost.config.settings import Settings
from outpost.domain.errors import ConfigurationError, StoreUnavailable

Run = Callable[[argparse.Namespace, Callable[[], Settings]], int]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """Put a module in the place of `outpost serve`; its `run` is the given function."""

    def install(run: Run) -> None:
        module = ModuleType("outpost.cli.serve")
        module.__dict__.update(configure=lambda parser: add_settings_help(parser, shown=("API_PORT",)), run=run)
        monkeypatch.setitem(sys.modules, "outpost.cli.serve", module)

    return install


def test_the_version_imports_next_to_nothing() -> None:
    program = "import sys; from outpost.cli.main import main; main(['--version']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    version, modules = done.stdout.splitlines()

    heavy = {"uvicorn", "starlette", "yaml", "dotenv", "asyncio", "msgspec", "argparse", "logging", "sqlite3"}
    assert version == f"outpost {__version__}"
    assert not heavy & set(modules.split())


def test_loading_the_settings_imports_no_server_and_no_file_format() -> None:
    program = (
        "import sys; from outpost.config.load import load_settings; load_settings(environ={}, cwd='/nonexistent');"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    heavy = {"uvicorn", "starlette", "yaml", "dotenv", "asyncio", "argparse", "logging", "sqlite3", "dataclasses"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"], ["help"]])
def test_help_names_every_command(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == exit_codes.DONE

    out = capsys.readouterr().out
    commands = dict(
        line.split(maxsplit=1) for line in out.partition("commands:\n")[2].partition("\n\n")[0].splitlines()
    )
    assert commands == {name: command.text for name, command in COMMANDS.items()}


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serv"]) == exit_codes.USAGE
    assert capsys.readouterr().err == "Error: there is no command 'serv'; did you mean `outpost serve`?\n"


@pytest.mark.parametrize("argv", [["config"], ["config", "lst"], ["config", "list", "--nonsense"]])
def test_wrong_usage_exits_64(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == exit_codes.USAGE
    assert "Error: " in capsys.readouterr().err


def test_a_command_runs_with_settings_from_flags_and_environment(
    command: Callable[[Run], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Settings] = []

    def run(args: argparse.Namespace, settings_loader: Callable[[], Settings]) -> int:
        seen.append(settings_loader())
        return 10

    command(run)
    monkeypatch.setenv("API_PORT", "1")
    monkeypatch.setenv("SQLITE_PATH", "env.db")

    assert main(["serve", "--api-port", "2", "--egress-guard=false", "--topics-allow-wildcards"]) == 10
    assert (seen[0].api.port, seen[0].sqlite.path) == (2, "env.db")
    assert (seen[0].egress.guard, seen[0].topics.allow_wildcards) == (False, True)


def test_a_switch_takes_the_next_argument_only_if_it_is_a_value() -> None:
    alone = SettingFlags(["--redis-cluster-enabled", "apply", "--egress-guard", "false", "--yes"])

    assert alone.rest == ["apply", "--yes"]
    settings = alone.load()
    assert (settings.redis.cluster_enabled, settings.egress.guard) == (True, False)


def test_flags_of_the_configuration_may_stand_anywhere_before_the_double_dash() -> None:
    flags = SettingFlags(["--redis-host=one", "show", "--redis-port", "7000", "key", "--", "--redis-host"])

    assert flags.rest == ["show", "key", "--", "--redis-host"]
    assert (flags.load().redis.host, flags.load().redis.port) == ("one", 7000)


def test_a_flag_without_its_value_is_named(command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]) -> None:
    command(lambda args, settings_loader: 0)

    assert main(["serve", "--api-port"]) == exit_codes.USAGE
    assert capsys.readouterr().err == "Error: --api-port needs a value\n"


def test_a_flag_cannot_be_abbreviated(command: Callable[[Run], None]) -> None:
    command(lambda args, settings_loader: 0)

    assert main(["serve", "--api-por", "2"]) == exit_codes.USAGE


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigurationError("set\nthis"), 64, "Error: set this\n"),
        (StoreUnavailable("sqlite", "full"), 1, "Error: sqlite is not available: full\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_a_command_raises_becomes_one_line_and_a_code(
    command: Callable[[Run], None],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    line: str,
) -> None:
    def run(args: argparse.Namespace, settings_loader: Callable[[], Settings]) -> int:
        raise error

    command(run)

    assert main(["serve"]) == code
    assert capsys.readouterr().err == line


def test_a_defect_shows_where_it_is(command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]) -> None:
    def run(args: argparse.Namespace, settings_loader: Callable[[], Settings]) -> int:
        raise KeyError("lost")

    command(run)

    assert main(["serve"]) == exit_codes.FAILED
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("Error: unexpected KeyError, a defect in Outpost; the lines above say where\n")


def test_help_of_a_command_shows_only_the_chosen_settings(
    command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(lambda args, settings_loader: 0)

    assert main(["serve", "--help"]) == exit_codes.DONE
    out = capsys.readouterr().out
    assert "--api-port" in out
    assert "--redis-port" not in out


def test_every_setting_has_a_flag_in_help_settings(
    command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(lambda args, settings_loader: 0)

    assert main(["serve", "--help-settings"]) == exit_codes.DONE
    out = capsys.readouterr().out
    for flag in (
        "--redis-host",
        "--postgres-url",
        "--deployment-id",
        "--otel-exporter",
        "--alert-consecutive-failure-count",
    ):
        assert f"\n{flag}  " in out


def test_every_exit_code_has_a_meaning() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}

    assert codes == set(exit_codes.MEANINGS)
