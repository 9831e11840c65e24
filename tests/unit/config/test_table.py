"""The one table of settings, and the pages made from it."""

from pathlib import Path

from outpost.config import document
from outpost.config.load import load_settings
from outpost.config.settings import SECTIONS, SETTINGS, Settings

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "src" / "outpost" / "config"
SHARED = {"OTEL_EXPORTER", "OTEL_PROTOCOL", "DISABLE_TELEMETRY"}


def test_no_two_settings_share_a_yaml_path_or_an_environment_name() -> None:
    paths = [path for row in SETTINGS for path in (row.key.yaml, *row.key.yaml_aliases) if path]
    names = [name for row in SETTINGS for name in (row.key.env, *row.key.aliases) if name not in SHARED]

    assert len(paths) == len(set(paths))
    assert len(names) == len(set(names))


def test_no_setting_is_a_section_of_another() -> None:
    paths = {row.key.yaml for row in SETTINGS if row.key.yaml}

    assert not [path for path in paths if any(other.startswith(path + ".") for other in paths)]


def test_every_setting_says_what_it_does() -> None:
    for row in SETTINGS:
        assert row.key.text.endswith("."), row.name


def test_passwords_keys_and_secrets_are_marked_secret() -> None:
    words = ("PASSWORD", "API_KEY", "SECRET", "CREDENTIALS", "ACCESS_KEY", "CONNECTION_STRING", "DSN", "SERVER_URL")
    allowed = {"ALLOW_LOST_CREDENTIALS", "ALLOW_OPEN_API", "DESTINATIONS_WEBHOOK_SIGNING_SECRET_TEMPLATE"}
    for row in SETTINGS:
        if any(word in row.key.env for word in words) and row.key.env not in allowed:
            assert row.key.secret, row.name


def test_every_section_stands_in_settings_with_a_title() -> None:
    assert all(section.title for section in SECTIONS.values())
    assert {row.section for row in SETTINGS} == set(SECTIONS)


def test_defaults_yaml_is_fresh() -> None:
    command = "python -m outpost.config.document yaml > src/outpost/config/defaults.yaml"

    assert (PACKAGE / "defaults.yaml").read_text() == document.defaults_yaml(), f"run: {command}"


def test_the_configuration_page_is_fresh() -> None:
    command = "python -m outpost.config.document page > docs/configuration.md"

    assert (ROOT / "docs" / "configuration.md").read_text() == document.page(), f"run: {command}"


def test_defaults_yaml_holds_every_key_and_exactly_the_defaults() -> None:
    settings = load_settings(config_path=str(PACKAGE / "defaults.yaml"), environ={})

    (warning,) = settings.warnings
    assert warning.startswith("set, but without effect in this version: DISABLE_TELEMETRY (")
    assert [row.name for row in SETTINGS if settings.value(row) != row.default] == []
    # Whatever has a value of its own is written; only what is empty, unset or derived may be missing.
    written = set(settings.sources)
    assert [row.name for row in SETTINGS if row.name not in written and row.key.yaml and not _is_unset(row)] == []


def _is_unset(row: object) -> bool:
    default = getattr(row, "default", None)
    key = getattr(row, "key", None)
    return default is None or bool(getattr(key, "default_text", "")) or default == ()


def test_settings_compare_by_value() -> None:
    assert Settings() == Settings()
