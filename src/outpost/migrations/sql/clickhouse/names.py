"""How the tables of one deployment are called, and how scripts are written for them.

A script holds placeholders, so that its checksum is the same for every deployment:

    {events}               `dp-1_events`, quoted, with the prefix of the deployment
    {on_cluster}           ON CLUSTER `main`, or nothing
    {ReplacingMergeTree}   ReplacingMergeTree, or ReplicatedReplacingMergeTree on a cluster
    {after:Int64}          a parameter of ClickHouse's own, left as it is
"""

import re
from collections.abc import Sequence

import msgspec

from outpost.clients.clickhouse import quoted_identifier
from outpost.migrations.sql.script import Script, Statement

_PLACEHOLDER = re.compile(r"( ?)\{(\w+)\}")


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """The names of one deployment.

    Attributes:
        prefix: Before the name of each table: `<deployment id>_`, or nothing.
        cluster: Where statements run that change a schema; empty for the one server.
    """

    prefix: str = ""
    cluster: str = ""

    def full(self, table: str) -> str:
        """Return the name of a table as the server lists it."""
        return self.prefix + table

    def short(self, table: str) -> str:
        return table.removeprefix(self.prefix)

    def quoted(self, table: str) -> str:
        return quoted_identifier(self.full(table))

    def render(self, text: str) -> str:
        """Return `text` with every placeholder filled in."""
        return _PLACEHOLDER.sub(lambda found: self._filled(found[1], found[2]), text)

    def rendered(self, scripts: Sequence[Script]) -> Sequence[Script]:
        """Return scripts as they are sent; their checksums stay those of the files."""
        return [
            msgspec.structs.replace(script, statements=[self._statement(each) for each in script.statements])
            for script in scripts
        ]

    def _statement(self, statement: Statement) -> Statement:
        directives = dict(statement.directives)
        if kept := directives.get("keeps"):
            directives["keeps"] = self.full(kept)
        return msgspec.structs.replace(statement, text=self.render(statement.text), directives=directives)

    def _filled(self, space: str, name: str) -> str:
        match name:
            case "on_cluster":
                return f"{space}ON CLUSTER {quoted_identifier(self.cluster)}" if self.cluster else ""
            case "MergeTree" | "ReplacingMergeTree":
                return f"{space}Replicated{name}" if self.cluster else f"{space}{name}"
            case _:
                return f"{space}{self.quoted(name)}"
