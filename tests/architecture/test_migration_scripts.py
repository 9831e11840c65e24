"""Migration scripts keep what they destroy, and can be taken up again wherever they were interrupted."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import outpost.migrations.sql
from outpost.migrations.errors import MigrationError
from outpost.migrations.sql.postgres.dialect import postgres_scripts
from outpost.migrations.sql.postgres.parts import Batches, Part, parts_of
from outpost.migrations.sql.script import Script, Statement, load_scripts, parse

_LINES = sorted(path.parent for path in Path(outpost.migrations.sql.__file__).parent.glob("*/000001_*.sql"))


def _every_script() -> Iterator[tuple[str, Script]]:
    for folder in _LINES:
        for script in load_scripts(folder):
            yield f"{folder.name}/{script.file}", script


def test_every_destructive_statement_says_where_the_data_is_kept() -> None:
    silent = [
        f"{name}:{statement.line}"
        for name, script in _every_script()
        for statement in script.statements
        if statement.destructive and not statement.directives.get("keeps")
    ]

    assert silent == []


def test_every_script_describes_itself_in_its_first_line() -> None:
    assert [name for name, script in _every_script() if not script.description] == []


def test_no_script_begins_or_ends_transactions_itself() -> None:
    ends = re.compile(r"(BEGIN|START|COMMIT|END|ROLLBACK)\b", re.IGNORECASE)

    assert [
        f"{name}:{statement.line}"
        for name, script in _every_script()
        for statement in script.statements
        if ends.match(statement.bare)
    ] == []


@pytest.mark.parametrize("script", postgres_scripts(), ids=lambda script: script.id)
def test_batches_are_begun_windowed_and_swept(script: Script) -> None:
    parts = parts_of(script)
    batched = [part for part in parts if isinstance(part, Batches)]
    swept = [
        part.sweeps
        for part in parts
        if isinstance(part, Part) and any("sweep" in statement.directives for statement in part.statements)
    ]

    assert isinstance(parts[0], Part), "the first part records that the script is begun"
    assert isinstance(parts[-1], Part), "the last part records that it is applied"
    for part in batched:
        assert all(f"${number}" in part.statement.bare for number in (1, 2, 3, 4))
        assert "time BETWEEN $1 AND $3" in part.statement.bare, "without it each batch reads the whole table"
    assert [list(sweeps) for sweeps in swept] == ([batched] if batched else [])


def test_indexes_of_tables_with_rows_are_built_ahead() -> None:
    """A table that the script itself has made has none."""

    def is_new(script: Script, statement: Statement) -> bool:
        table = statement.bare.partition(" ON ")[2].split()[0]
        return any(each.bare.startswith(f"CREATE TABLE {table} ") for each in script.statements)

    assert [
        f"{script.file}:{statement.line}"
        for script in postgres_scripts()
        for statement in script.statements
        if statement.bare.startswith("CREATE INDEX")
        and "ahead" not in statement.directives
        and not is_new(script, statement)
    ] == []


@pytest.mark.parametrize("script", postgres_scripts(), ids=lambda script: script.id)
def test_nothing_is_built_ahead_of_the_part_that_records_the_script_as_begun(script: Script) -> None:
    first = parts_of(script)[0]

    assert isinstance(first, Part)
    assert not first.ahead


@pytest.mark.parametrize("text", ["CREATE TABLE a (b text);", "CREATE UNIQUE INDEX a_b ON a (b);"])
def test_only_a_plain_index_can_be_built_ahead(text: str) -> None:
    script = parse("000001_first.sql", f"-- A first one.\n\n-- outpost: ahead a\n{text}")

    with pytest.raises(MigrationError, match="line 4: `ahead a` is not before a CREATE INDEX"):
        parts_of(script)
