"""Settings of the embedded profile's one store."""

from typing import Annotated, ClassVar

from outpost.config.setting import Key, Section


class SqliteSettings(Section, frozen=True, kw_only=True):
    """The one file of the embedded profile."""

    title: ClassVar[str] = "SQLite (embedded profile)"

    path: Annotated[
        str,
        Key(
            "SQLITE_PATH",
            "sqlite.path",
            "Database file; setting it chooses the embedded profile. Its log files and its lock lie beside it.",
            default_text="none; `outpost dev` uses `./outpost-data/outpost.db`",
        ),
    ] = ""
