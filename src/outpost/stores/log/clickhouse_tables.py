"""The names of a deployment's tables in a ClickHouse database."""

import msgspec

from outpost.clients.clickhouse import quoted_identifier


class Tables(msgspec.Struct, frozen=True):
    """The tables of one deployment, quoted for use in statements.

    Attributes:
        prefix: Before the name of each: `<deployment id>_`, or nothing.
    """

    prefix: str = ""

    @property
    def events(self) -> str:
        return quoted_identifier(f"{self.prefix}events")

    @property
    def attempts(self) -> str:
        return quoted_identifier(f"{self.prefix}attempts")


def tables_of(deployment_id: str) -> Tables:
    return Tables(f"{deployment_id}_" if deployment_id else "")
