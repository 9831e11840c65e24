"""Settings of the Postgres connection."""

from typing import Annotated, ClassVar

from outpost.config.setting import Key, Section


class PostgresSettings(Section, frozen=True, kw_only=True):
    """Events and attempts, unless ClickHouse is configured as well."""

    title: ClassVar[str] = "Postgres (distributed profile)"

    url: Annotated[
        str,
        Key(
            "POSTGRES_URL",
            "postgres",
            "Connection URL, as in `postgres://user:password@host:5432/outpost`.",
            secret=True,
            url=True,
        ),
    ] = ""
