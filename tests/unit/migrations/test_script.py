"""Reading migration files."""

from pathlib import Path

import pytest

from outpost.migrations.errors import MigrationError
from outpost.migrations.sql.script import load_scripts, parse, split


def test_a_file_has_number_name_description_and_directives() -> None:
    script = parse(
        "000012_add_things.sql", "-- Things are added.\n-- outpost: online\n\nCREATE TABLE things (a int);\n"
    )

    assert (script.number, script.name, script.id) == (12, "add_things", "000012_add_things")
    assert script.description == "Things are added"
    assert script.online
    assert [(each.text, each.line) for each in script.statements] == [("CREATE TABLE things (a int)", 4)]


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("SELECT ';'; SELECT 2;", ["SELECT ';'", "SELECT 2"]),
        ("SELECT 'it''s; fine';", ["SELECT 'it''s; fine'"]),
        ('CREATE TABLE "a;b" (c int);', ['CREATE TABLE "a;b" (c int)']),
        ("DO $$ BEGIN PERFORM 1; END $$;", ["DO $$ BEGIN PERFORM 1; END $$"]),
        ("DO $tag$ SELECT '$$'; $tag$; SELECT 1;", ["DO $tag$ SELECT '$$'; $tag$", "SELECT 1"]),
        ("SELECT 1 -- not the end;\n + 1;", ["SELECT 1 -- not the end;\n + 1"]),
        ("SELECT 1 /* nor; this */;", ["SELECT 1 /* nor; this */"]),
        ("SELECT 4/2 - 1;", ["SELECT 4/2 - 1"]),
        (";;\n -- nothing\n", []),
    ],
)
def test_statements_end_at_semicolons_outside_of_text(text: str, statements: list[str]) -> None:
    assert [statement.text for statement in split("x.sql", text)] == statements


def test_a_statement_without_end_is_refused_with_file_and_line() -> None:
    with pytest.raises(MigrationError, match=r"x\.sql, line 3"):
        split("x.sql", "SELECT 1;\n\nSELECT 2\n")


def test_comments_and_white_space_do_not_change_the_checksum() -> None:
    one = parse("000001_a.sql", "-- A.\n\nCREATE TABLE a (b text DEFAULT 'x  y');")
    other = parse(
        "000001_a.sql", "-- Another text.\n\n-- why\nCREATE  TABLE a (\n  b text -- because\n DEFAULT 'x  y');"
    )
    literal = parse("000001_a.sql", "-- A.\n\nCREATE TABLE a (b text DEFAULT 'x y');")

    assert one.checksum == parse("000001_a.sql", "CREATE TABLE a (b text   DEFAULT 'x  y');").checksum
    assert other.statements[0].bare == "CREATE TABLE a ( b text DEFAULT 'x  y')"
    assert literal.checksum != one.checksum


def test_directives_before_a_statement_are_about_that_statement() -> None:
    script = parse("000001_a.sql", "-- A.\n\n-- outpost: keeps kept_a\nDROP TABLE a;\nDROP TABLE b;\nSELECT 1;\n")

    assert script.statements[0].directives == {"keeps": "kept_a"}
    assert script.statements[1].directives == {}
    assert script.destructive() == ["DROP TABLE a (kept in kept_a)", "DROP TABLE b"]


def test_the_scripts_of_a_folder_come_in_order_without_gaps(tmp_path: Path) -> None:
    for name in ("000002_b.sql", "000001_a.sql", "schema.sql", "notes.txt"):
        (tmp_path / name).write_text("SELECT 1;")

    assert [script.name for script in load_scripts(tmp_path)] == ["a", "b"]

    (tmp_path / "000004_d.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError, match="000003 is missing"):
        load_scripts(tmp_path)
