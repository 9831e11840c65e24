"""Which source a setting is read from, and which wins."""

from pathlib import Path

import pytest

from outpost.config.load import load_settings
from outpost.domain.errors import ConfigurationError


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(tmp_path: Path) -> None:
    write(tmp_path, ".outpost.yaml", "redis: {host: file, port: 1, username: file}\n")
    environ = {"REDIS_HOST": "environment", "REDIS_PORT": "2"}

    settings = load_settings(flags={"REDIS_HOST": "flag"}, environ=environ, cwd=tmp_path)

    assert (settings.redis.host, settings.redis.port, settings.redis.username) == ("flag", 2, "file")
    assert settings.redis.database == 0
    assert settings.sources == {
        "redis.host": "flag --redis-host",
        "redis.port": "environment",
        "redis.username": ".outpost.yaml, line 1",
    }


def test_fallbacks_stand_in_for_defaults_only(tmp_path: Path) -> None:
    fallbacks = {"SQLITE_PATH": "dev.db", "API_KEY": "made"}

    settings = load_settings(environ={"API_KEY": "own"}, cwd=tmp_path, fallbacks=fallbacks)

    assert (settings.sqlite.path, settings.api.key) == ("dev.db", "own")
    assert settings.profile == "embedded"
    assert settings.is_set("API_KEY")
    assert not settings.is_set("SQLITE_PATH")


def test_set_to_the_default_is_told_from_unset(tmp_path: Path) -> None:
    settings = load_settings(environ={"REDIS_PORT": "6379"}, cwd=tmp_path)

    assert settings.is_set("REDIS_PORT")
    assert not settings.is_set("REDIS_HOST")


def test_the_first_file_of_the_search_hides_the_others(tmp_path: Path) -> None:
    write(tmp_path, ".env", "API_PORT=1\n")
    write(tmp_path, ".outpost.yaml", "api_port: 2\nredis: {host: hidden}\n")

    settings = load_settings(environ={}, cwd=tmp_path)

    assert settings.api.port == 1
    assert settings.config_file == ".env"
    assert not settings.is_set("REDIS_HOST")


@pytest.mark.parametrize("name", ["config/outpost.yaml", "config/outpost/config.yaml", "config/outpost/.env"])
def test_the_config_folder_is_searched(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, "API_PORT=7\n" if name.endswith(".env") else "api_port: 7\n")

    assert load_settings(environ={}, cwd=tmp_path).api.port == 7


def test_an_empty_file_counts_as_none(tmp_path: Path) -> None:
    write(tmp_path, ".env", "")
    write(tmp_path, ".outpost.yaml", "api_port: 2\n")

    settings = load_settings(environ={}, cwd=tmp_path)

    assert settings.api.port == 2
    assert settings.warnings == (".env is empty and was passed over",)


def test_an_explicit_file_is_named_by_flag_or_environment(tmp_path: Path) -> None:
    path = str(write(tmp_path, "own.yml", "api_port: 5\n"))

    for settings in (
        load_settings(config_path=path, environ={}),
        load_settings(environ={"CONFIG": path}),
        load_settings(config_path=path, environ={"CONFIG": path}),
        load_settings(config_path="./own.yml", environ={"CONFIG": "own.yml"}, cwd=tmp_path),
    ):
        assert settings.api.port == 5


def test_two_different_explicit_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="conflicting config paths"):
        load_settings(config_path="a.yaml", environ={"CONFIG": "b.yaml"}, cwd=tmp_path)


def test_an_explicit_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing\.yaml cannot be read: No such file"):
        load_settings(config_path="missing.yaml", environ={}, cwd=tmp_path)


def test_config_in_an_env_file_names_no_file(tmp_path: Path) -> None:
    write(tmp_path, "other.yaml", "api_port: 9\n")
    write(tmp_path, ".env", "CONFIG=other.yaml\nAPI_PORT=1\n")

    assert load_settings(environ={}, cwd=tmp_path).api.port == 1


def test_an_env_file_knows_comments_quotes_export_and_expansion(tmp_path: Path) -> None:
    text = "# secrets\nexport API_KEY='a b'\nTOPICS=\"x, y\" # two\nHTTP_USER_AGENT=${HOST}-${API_KEY}\n"
    write(tmp_path, "prod.ENV", text)

    settings = load_settings(config_path="prod.ENV", environ={"HOST": "h1"}, cwd=tmp_path)

    assert settings.api.key == "a b"
    assert settings.topics.names == ("x", "y")
    assert settings.destinations.http_user_agent == "h1-a b"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a$HOST", "ah1"),
        ('"a${HOST}b"', "ah1b"),
        ("${NOBODY}x$NOBODY", "x"),
        ("${NOBODY:-else}", "else"),
        ("'a${HOST}$HOST'", "a${HOST}$HOST"),
        (" 'a$HOST' # told", "a$HOST"),
        (r'"a\$HOST\${HOST}"', "a$HOST${HOST}"),
        ("a$", "a$"),
        ("a$b${}", "a$b${}"),
    ],
)
def test_a_dollar_sign_in_single_quotes_or_after_a_backslash_is_one(tmp_path: Path, written: str, read: str) -> None:
    write(tmp_path, ".env", f"\nexport API_KEY={written}\n")

    assert load_settings(environ={"HOST": "h1"}, cwd=tmp_path).api.key == read


def test_a_broken_env_file_is_refused_without_repeating_it(tmp_path: Path) -> None:
    write(tmp_path, ".env", "API_PORT=1\nAPI_KEY 'hunter2\n")

    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ={}, cwd=tmp_path)

    assert str(caught.value) == ".env, line 2: not a KEY=VALUE line"


def test_process_only_names_have_no_effect_in_an_env_file(tmp_path: Path) -> None:
    lines = "OTEL_TRACES_EXPORTER=none\nOTEL_EXPORTER_OTLP_ENDPOINT=http://c\nOTEL_EXPORTER=console\n"
    write(tmp_path, ".env", lines)

    otel = load_settings(environ={"OTEL_METRICS_EXPORTER": "none"}, cwd=tmp_path).otel

    assert (otel.traces_exporter, otel.metrics_exporter, otel.endpoint) == ("console", "none", "")


def test_the_documented_spelling_of_operator_events_is_an_alias_below_the_real_one(tmp_path: Path) -> None:
    environ = {
        "OPERATION_EVENTS_TOPICS": "*",
        "OPERATION_EVENTS_HTTP_URL": "https://old",
        "OPERATOR_EVENTS_HTTP_URL": "https://new",
    }

    settings = load_settings(environ=environ, cwd=tmp_path)

    assert settings.operator_events.topics == ("*",)
    assert settings.operator_events.http_url == "https://new"
    older, without_effect = settings.warnings
    assert older == "OPERATION_EVENTS_TOPICS (environment) is an older name; write OPERATOR_EVENTS_TOPICS"
    assert without_effect.endswith(
        "OPERATOR_EVENTS_TOPICS (environment, as OPERATION_EVENTS_TOPICS), OPERATOR_EVENTS_HTTP_URL (environment)"
    )


def test_what_was_set_and_has_no_effect_is_named_in_one_warning(tmp_path: Path) -> None:
    write(tmp_path, ".outpost.yaml", "gin_mode: release\nportal: {logo: '', org_name: Acme}\napi_port: 80\n")
    environ = {"ALERT_AUTO_DISABLE_DESTINATION": "false", "OTEL_TRACES_EXPORTER": "none"}

    settings = load_settings(environ=environ, cwd=tmp_path)

    (warning,) = settings.warnings
    assert warning == (
        "set, but without effect in this version: GIN_MODE (.outpost.yaml, line 1), "
        "ALERT_AUTO_DISABLE_DESTINATION (environment), PORTAL_ORGANIZATION_NAME (.outpost.yaml, line 2), "
        "OTEL_EXPORTER (environment, as OTEL_TRACES_EXPORTER)"
    )


def test_names_that_nothing_reads_are_reported(tmp_path: Path) -> None:
    settings = load_settings(environ={"PORT": "80", "REDIS_POOL_SIZE": "3"}, cwd=tmp_path)

    assert "PORT (environment) is not read; write API_PORT" in settings.warnings
    assert "REDIS_POOL_SIZE (environment) is not a setting and has no effect" in settings.warnings


def test_the_service_flag_may_not_contradict_the_environment(tmp_path: Path) -> None:
    assert load_settings(flags={"SERVICE": "api"}, environ={}, cwd=tmp_path).general.service == "api"
    assert load_settings(flags={"SERVICE": "api"}, environ={"SERVICE": "api"}, cwd=tmp_path).general.service == "api"

    with pytest.raises(ConfigurationError, match="service type mismatch: --service says api"):
        load_settings(flags={"SERVICE": "api"}, environ={"SERVICE": "log"}, cwd=tmp_path)


def test_an_environment_that_is_not_given_is_that_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEPLOYMENT_ID", "from-process")

    assert load_settings().general.deployment_id == "from-process"
