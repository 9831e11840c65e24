"""The rules that the files of the ClickHouse line keep, because ClickHouse has no transactions."""

import re
from collections import Counter
from importlib.resources import files

import pytest

from outpost.migrations.sql.clickhouse.names import Names
from outpost.migrations.sql.clickhouse.snapshot import snapshot
from outpost.migrations.sql.script import Script, Statement, load_scripts, split

FOLDER = files("outpost.migrations").joinpath("sql", "clickhouse")
SCRIPTS = load_scripts(FOLDER)
BOOKKEEPING = split("bookkeeping.sql", FOLDER.joinpath("bookkeeping.sql").read_text("utf-8"))
STATEMENTS = [statement for script in SCRIPTS for statement in script.statements]
CHANGES = [each for each in [*STATEMENTS, *BOOKKEEPING] if re.match("CREATE|ALTER|DROP|OPTIMIZE", each.bare)]


def test_the_numbers_and_names_are_those_of_the_original_tool() -> None:
    assert [script.id for script in SCRIPTS] == [
        "000001_init",
        "000002_matched_destination_ids",
        "000003_attempt_destination_type",
    ]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.id)
def test_a_file_alters_a_table_once(script: Script) -> None:
    altered = Counter(re.findall(r"ALTER TABLE (\S+)", " ".join(each.bare for each in script.statements)))

    assert all(count == 1 for count in altered.values()), altered


@pytest.mark.parametrize("statement", CHANGES, ids=lambda statement: statement.bare[:40])
def test_a_change_of_the_schema_can_be_repeated_and_runs_on_the_cluster(statement: Statement) -> None:
    clauses = re.findall(r"\b(?:CREATE TABLE|(?:ADD|DROP) (?:COLUMN|INDEX|TABLE))\b(.{0,14})", statement.bare)

    assert all(re.match(r" IF (NOT )?EXISTS", clause) for clause in clauses), statement.bare
    assert re.match(r"(CREATE|ALTER|DROP|OPTIMIZE) TABLE (IF NOT EXISTS )?\{\w+\} \{on_cluster\}", statement.bare)


def test_data_moves_in_windows_only() -> None:
    for statement in STATEMENTS:
        if statement.bare.startswith("INSERT"):
            assert "windows" in statement.directives
            assert "{after:Int64}" in statement.bare
            assert "{until:Int64}" in statement.bare


def test_what_destroys_says_where_the_data_is_kept() -> None:
    assert all("keeps" in statement.directives for statement in STATEMENTS if statement.destructive)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (Names(), "CREATE TABLE `events` (a {after:Int64}) ENGINE = MergeTree"),
        (Names(prefix="dp-1_"), "CREATE TABLE `dp-1_events` (a {after:Int64}) ENGINE = MergeTree"),
        (
            Names(prefix="x_", cluster="my`main"),
            "CREATE TABLE `x_events` ON CLUSTER `my\\`main` (a {after:Int64}) ENGINE = ReplicatedMergeTree",
        ),
    ],
)
def test_placeholders_become_quoted_names(names: Names, text: str) -> None:
    template = "CREATE TABLE {events} {on_cluster} (a {after:Int64}) ENGINE = {MergeTree}"

    assert names.render(template) == text


def test_checksums_do_not_depend_on_deployment_and_cluster() -> None:
    rendered = Names(prefix="dp-1_", cluster="main").rendered(SCRIPTS)

    assert [script.checksum for script in rendered] == [script.checksum for script in SCRIPTS]


def test_the_snapshot_is_read_whole() -> None:
    catalog = snapshot()

    assert [column.name for column in catalog.columns if column.table == "events"] == [
        *("event_id", "tenant_id", "topic", "eligible_for_retry"),
        *("event_time", "metadata", "data", "matched_destination_ids"),
    ]
    assert len([column for column in catalog.columns if column.table == "attempts"]) == 16
    assert len(catalog.indexes) == 11
    assert catalog.tables["attempts"].sorting_key == "attempt_time, attempt_id"
