"""What a cluster in trouble answers: no replicated server can be started here, so a stub gives the real error codes."""

from collections.abc import AsyncIterator

import pytest

from outpost.migrations.errors import MigrationError, Refused, Unreachable
from tests.support.clickhouse import ClickHouseDatabase
from tests.support.clickhouse_line import LineUnderTest, line_under_test
from tests.support.clickhouse_stub import StubServer, clickhouse_in_trouble

ALTER_ATTEMPTS = "ALTER TABLE `dp-1_attempts`"
_COLUMN = {"table": "dp-1_attempts", "type": "String", "default": ""}


@pytest.fixture
async def stub() -> AsyncIterator[StubServer]:
    """A cluster `main` of one shard without any table of ours."""
    async with clickhouse_in_trouble() as stub:
        stub.answer("FROM system.clusters", [{"hosts": 2, "shards": 1}])
        stub.answer("absolute_delay", [{"seconds": 0}])
        stub.answer("max.size. AS bytes", [{"bytes": 0}])
        stub.answer("FROM system.disks", [{"bytes": 10**12}])
        stub.answer("^SELECT count.. AS rows", [{"rows": 0, "until": 0}])
        stub.answer("^SELECT count.. AS count", [{"count": 0}])
        yield stub


@pytest.fixture
async def line(stub: StubServer) -> AsyncIterator[LineUnderTest]:
    database = ClickHouseDatabase(stub.url, "outpost")
    async with line_under_test(database, deployment_id="dp-1", cluster="main") as line:
        yield line


async def test_on_a_cluster_everything_is_made_replicated_and_on_all_of_it(
    stub: StubServer, line: LineUnderTest
) -> None:
    await line.apply()

    changes = stub.sent("^(CREATE|ALTER|DROP|RENAME|OPTIMIZE)")
    assert len(changes) == 8
    assert all("ON CLUSTER `main`" in statement for statement in changes)
    created = [statement.partition("ENGINE = ")[2].split()[0] for statement in changes if "CREATE" in statement]
    assert created == ["ReplicatedMergeTree"] * 3 + ["ReplicatedReplacingMergeTree"] * 3


async def test_an_alter_that_meets_another_is_sent_again_and_no_other_statement_is(
    stub: StubServer, line: LineUnderTest
) -> None:
    stub.answer(ALTER_ATTEMPTS, 517, 517, 0)

    await line.apply()

    assert len(stub.sent(f"^{ALTER_ATTEMPTS}")) == 3
    assert len(stub.sent("^ALTER TABLE `dp-1_events`")) == 1


@pytest.mark.parametrize("code", [159, 209, 341])
async def test_an_alter_without_answer_that_has_happened_is_not_sent_again(
    stub: StubServer, line: LineUnderTest, code: int
) -> None:
    index = {"table": "dp-1_attempts", "name": "idx_destination_type", "expr": "", "type": "", "granularity": 1}
    stub.answer(ALTER_ATTEMPTS, code)
    stub.answer("FROM system.columns", [{**_COLUMN, "name": name} for name in ("attempt_id", "destination_type")])
    stub.answer("FROM system.data_skipping_indices", [index])

    await line.apply()

    assert len(stub.sent(f"^{ALTER_ATTEMPTS}")) == 1


async def test_an_alter_without_answer_that_has_not_happened_is_sent_again(
    stub: StubServer, line: LineUnderTest
) -> None:
    stub.answer(ALTER_ATTEMPTS, 159, 0)

    await line.apply()

    assert len(stub.sent(f"^{ALTER_ATTEMPTS}")) == 2


async def test_it_waits_for_what_the_cluster_has_not_finished(stub: StubServer, line: LineUnderTest) -> None:
    waiting = [{"what": "query-0000000007 on host-2", "failure": "", "remedy": ""}]
    stub.answer("FROM system.distributed_ddl_queue", waiting, waiting, [])
    stub.answer(ALTER_ATTEMPTS, 159, 0)

    await line.apply()

    positions = [
        place
        for place, statement in enumerate(stub.statements)
        if "distributed_ddl_queue" in statement or statement.startswith("ALTER")
    ]
    first = next(place for place in positions if stub.statements[place].startswith("ALTER"))
    assert ["ddl" in stub.statements[place] for place in positions if place > first][:3] == [True] * 3


async def test_data_is_moved_only_while_the_replicas_keep_up(stub: StubServer, line: LineUnderTest) -> None:
    stub.answer("^SELECT count.. AS rows", [{"rows": 3, "until": 7}], [{"rows": 0, "until": 0}])
    stub.answer("^SELECT count.. AS count", [{"count": 3}], [{"count": 3}], [{"count": 0}])
    stub.answer("absolute_delay", [{"seconds": 9}], [{"seconds": 3}], [{"seconds": 0}])

    await line.apply()

    first = next(place for place, text in enumerate(stub.statements) if "INSERT INTO `dp-1_outpost_kept" in text)
    assert len([text for text in stub.statements[:first] if "absolute_delay" in text]) == 3


async def test_a_mutation_that_fails_is_named_with_the_statement_that_ends_it(
    stub: StubServer, line: LineUnderTest
) -> None:
    stub.answer(
        "FROM system.mutations",
        [{"what": "mutation m_7 of dp-1_events", "failure": "Cannot reserve 1 GiB", "remedy": "KILL MUTATION ..."}],
    )

    with pytest.raises(MigrationError, match=r"m_7.*Cannot reserve 1 GiB.*KILL MUTATION") as failure:
        await line.apply()

    assert failure.value.exit_code == 13


async def test_a_table_that_exists_after_all_is_no_error(stub: StubServer, line: LineUnderTest) -> None:
    table = {"name": "dp-1_attempts", "engine": "ReplicatedReplacingMergeTree", "rows": 0, "bytes": 0}
    stub.answer("^CREATE TABLE IF NOT EXISTS `dp-1_attempts`", 57)
    stub.answer("FROM system.tables", [table])
    stub.answer("FROM system.columns", [{**_COLUMN, "name": "attempt_id"}])

    await line.apply(until="clickhouse/000001_init")

    assert len(stub.sent("^CREATE TABLE IF NOT EXISTS `dp-1_attempts`")) == 1


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (60, MigrationError, "no such table"),
        (225, Unreachable, "CLICKHOUSE_HTTP_URL"),
        (242, Refused, "read-only|system.replicas"),
        (497, Refused, "grant it"),
        (701, Refused, "CLICKHOUSE_CLUSTER"),
    ],
)
async def test_an_error_names_file_line_and_statement_and_what_to_do(
    stub: StubServer, line: LineUnderTest, code: int, kind: type[MigrationError], says: str
) -> None:
    stub.answer(ALTER_ATTEMPTS, code)

    with pytest.raises(kind, match=says) as failure:
        await line.apply()

    assert type(failure.value) is kind
    text = str(failure.value)
    assert "000003_attempt_destination_type.sql, line 3 (ALTER TABLE {attempts} {on_cluster} ADD COLUMN" in text
    assert "run again: outpost migrate apply" in text
    assert len(stub.sent(f"^{ALTER_ATTEMPTS}")) == 1


@pytest.mark.parametrize(
    ("pattern", "row", "says"),
    [
        (
            "FROM system.replicas",
            {"table": "dp-1_events", "replica": "r1", "readonly": 0, "total": 3, "active": 2},
            "1 of 3 replicas of dp-1_events are inactive",
        ),
        (
            "FROM system.replicas",
            {"table": "dp-1_events", "replica": "r1", "readonly": 1, "total": 3, "active": 3},
            "dp-1_events is read-only on replica r1",
        ),
        ("FROM system.clusters", {"hosts": 0, "shards": 0}, "there is no cluster main"),
        ("FROM system.clusters", {"hosts": 4, "shards": 2}, "2 shards"),
        ("FROM system.disks", {"bytes": 5}, "5 bytes are free"),
    ],
)
async def test_a_server_in_trouble_is_refused_before_anything_is_changed(
    stub: StubServer, line: LineUnderTest, pattern: str, row: dict[str, object], says: str
) -> None:
    stub.answer("max.size. AS bytes", [{"bytes": 1000}])
    stub.answer(pattern, [row])

    with pytest.raises(Refused, match=says) as failure:
        await line.apply()

    assert failure.value.exit_code == 16
    assert stub.sent("^(CREATE|ALTER|INSERT)") == []
    assert any(says in text for check in (await line.coordinator.doctor()).checks for text in check.differences)
