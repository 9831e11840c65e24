"""One runner at a time, beside the original tool, among other sessions, and within what the user may do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from outpost.clients.postgres import Connection, connect
from outpost.migrations.coordinator import ApplyRequest, Coordinator
from outpost.migrations.errors import LeaseLost, LockHeld, MigrationError, Refused, Unreachable
from outpost.migrations.lease import Timings
from outpost.migrations.report import Holder
from outpost.migrations.run import Limits
from outpost.migrations.sql.postgres.advisory import lock_id
from outpost.migrations.sql.postgres.replicas import Replicas
from outpost.migrations.sql.postgres.session import Patience
from tests.migrations.postgres.databases import QUICK, PostgresDatabase

NEWEST = 10


def test_the_number_of_the_lock_is_the_original_tools() -> None:
    assert lock_id("public", "/outpost") == 814381888


@asynccontextmanager
async def _session(database: PostgresDatabase, *statements: str) -> AsyncIterator[Connection]:
    """Another session in the middle of something."""
    async with connect(database.target, application="another program") as connection:
        for statement in statements:
            await connection.execute(statement)
        yield connection


@asynccontextmanager
async def _reference_at_work(database: PostgresDatabase) -> AsyncIterator[Connection]:
    """The original tool while it holds its lock."""
    number = lock_id("public", f"/{database.target.database}")
    async with _session(database, f"SELECT pg_advisory_lock({number})") as connection:
        yield connection


async def test_it_waits_for_the_reference_and_goes_on_after_it(database: PostgresDatabase) -> None:
    waited = asyncio.Event()
    holders: list[Holder] = []

    def waiting(holder: Holder) -> None:
        holders.append(holder)
        waited.set()

    async with asyncio.TaskGroup() as group, _reference_at_work(database):
        coordinator = Coordinator([database.line()], waiting=waiting, timings=QUICK)
        applying = group.create_task(coordinator.apply(ApplyRequest()))
        await waited.wait()
        nothing_written = await database.value("SELECT to_regclass('schema_migrations') IS NULL")

    assert holders[0].foreign
    assert nothing_written
    assert len(applying.result().steps) == NEWEST


async def test_reading_does_not_wait_for_the_lock_of_the_reference(database: PostgresDatabase) -> None:
    async with _reference_at_work(database), asyncio.timeout(5):
        status = await database.coordinator().status()

    holder = status.lines[0].holder
    assert holder is not None
    assert holder.foreign


async def test_who_does_not_want_to_wait_for_the_reference_is_refused(database: PostgresDatabase) -> None:
    async with _reference_at_work(database):
        with pytest.raises(LockHeld) as failure:
            await database.coordinator().apply(ApplyRequest(lock_seconds=0))

    assert failure.value.exit_code == 11


async def test_the_reference_cannot_run_while_we_do(database: PostgresDatabase) -> None:
    coordinator = database.coordinator()
    number = lock_id("public", f"/{database.target.database}")

    async with coordinator.running("apply", ApplyRequest(), []):
        during = await database.value("SELECT pg_try_advisory_lock($1)", number)
    after = await database.value("SELECT pg_try_advisory_lock($1)", number)

    assert (during, after) == (False, True)


async def test_many_at_once_apply_each_migration_once(database: PostgresDatabase) -> None:
    async def apply() -> int:
        coordinator = Coordinator([database.line()], timings=Timings())
        return len((await coordinator.apply(ApplyRequest())).steps)

    answers = await asyncio.gather(*[apply() for _ in range(24)])

    assert sorted(answers) == [0] * 23 + [NEWEST]
    assert await database.value("SELECT count(DISTINCT run) FROM outpost_migrations") == 1


async def test_a_run_whose_lock_was_revoked_commits_nothing_more(database: PostgresDatabase) -> None:
    line = database.line()
    coordinator = Coordinator([line], timings=QUICK)
    await database.apply(4)

    async with coordinator.running("apply", ApplyRequest(), []) as run:
        await database.coordinator().unlock()
        with pytest.raises(LeaseLost):
            await line.apply(run, until=None)

    assert await database.value("SELECT version FROM schema_migrations") == 4


async def test_a_lock_in_the_way_is_named_and_waited_out(database: PostgresDatabase) -> None:
    await database.apply(7)

    async with _session(database, "BEGIN", "SELECT count(*) FROM attempts") as session:
        pid = await session.fetchval("SELECT pg_backend_pid()")
        applying = asyncio.create_task(database.apply(8))
        warning = await database.told("warning")
        still_waiting = not applying.done()
    await applying

    assert still_waiting
    assert f"pid {pid}" in warning.fields["reason"]
    assert "SELECT pg_backend_pid()" in warning.fields["reason"]
    assert applying.result() == ["postgres/000008_attempt_destination_type"]


async def test_a_lock_that_does_not_go_away_ends_the_run_with_the_name_of_its_holder(
    database: PostgresDatabase,
) -> None:
    await database.apply(7)
    patience = Patience(lock=0.3, pause=0.05, longest_pause=0.05, give_up=0.5)

    async with _session(database, "BEGIN", "SELECT count(*) FROM attempts"):
        with pytest.raises(MigrationError, match=r"another program, idle in transaction") as failure:
            await database.apply(8, patience=patience)

    assert failure.value.exit_code == 13
    assert await database.value("SELECT version FROM schema_migrations") == 7


async def test_waiting_for_a_lock_holds_no_other(database: PostgresDatabase) -> None:
    """Whoever only reads the table gets its turn between two tries."""
    await database.apply(7)

    async with _session(database, "BEGIN", "SELECT count(*) FROM attempts"), asyncio.timeout(20):
        applying = asyncio.create_task(database.apply(8))
        while not any(event.event == "warning" for event in database.events):
            await database.rows("SELECT count(*) FROM attempts")
        applying.cancel()
        await asyncio.wait([applying])


async def test_large_tables_are_locked_for_long_only_when_allowed(database: PostgresDatabase) -> None:
    await database.apply(5)

    with pytest.raises(
        Refused, match=r"000006_data_jsonb_to_text.sql writes every row .* of events .*--allow-blocking"
    ):
        await database.apply(large_bytes=1)
    plan = await database.coordinator(large_bytes=1).plan()

    assert "needs --allow-blocking" in plan.steps[0].notes[0]
    assert await database.value("SELECT version FROM schema_migrations") == 5
    assert len(await database.apply(limits=Limits(allow_blocking=True), large_bytes=1)) == 5


def _as(database: PostgresDatabase, role: str) -> str:
    return database.url.replace("postgres://outpost:", f"postgres://{role}:")


@pytest.fixture
async def role(database: PostgresDatabase) -> AsyncIterator[str]:
    """A user who may connect and nothing else, with the password of the owner."""
    name = f"user_{database.target.database}"
    await database.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{database.target.password}'")
    yield name
    await database.execute(f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


async def test_a_missing_grant_is_named_with_its_statement_which_repairs_it(
    database: PostgresDatabase, role: str
) -> None:
    with pytest.raises(Refused, match=f'GRANT CREATE ON SCHEMA "public" TO {role}') as failure:
        await database.apply(url=_as(database, role))
    checks = (await database.coordinator(url=_as(database, role)).doctor()).checks

    (grant,) = [check.repair for check in checks if not check.ok]
    await database.execute(grant)
    assert failure.value.exit_code == 16
    assert len(await database.apply(url=_as(database, role))) == NEWEST


async def test_tables_of_another_owner_are_named_with_the_grant_that_repairs_it(
    database: PostgresDatabase, role: str
) -> None:
    await database.apply(9)
    owner = f"owner_{database.target.database}"
    await database.execute(
        f"CREATE ROLE {owner}",
        f"GRANT ALL ON SCHEMA public TO {role}, {owner}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
        f"ALTER TABLE attempts OWNER TO {owner}",
    )

    with pytest.raises(Refused, match=f"GRANT {owner} TO {role}"):
        await database.apply(url=_as(database, role))

    assert await database.value("SELECT version FROM schema_migrations") == 9
    await database.execute(f"DROP OWNED BY {owner} CASCADE", f"DROP ROLE {owner}")


async def test_a_read_only_database_is_refused(database: PostgresDatabase) -> None:
    name = database.target.database
    await database.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    with pytest.raises(Refused, match="read-only") as failure:
        await database.apply()

    assert failure.value.exit_code == 16
    assert not all(check.ok for check in (await database.coordinator().doctor()).checks)


async def test_a_server_that_is_away_is_unreachable_and_the_message_says_what_to_check(
    database: PostgresDatabase,
) -> None:
    away = database.url.replace(f":{database.target.ports[0]}/", ":1/")

    with pytest.raises(Unreachable, match="check POSTGRES_URL") as failure:
        await database.coordinator(url=away).pending()

    assert failure.value.exit_code == 17
    assert database.target.password not in str(failure.value)


async def test_a_wrong_password_and_a_missing_database_are_refused_with_what_to_correct(
    database: PostgresDatabase,
) -> None:
    wrong = database.url.replace("p%40ss", "wrong")
    missing = database.url.replace(f"/{database.target.database}?", "/nowhere?")

    for url, remedy in ((wrong, "correct user and password"), (missing, "create it, or name another")):
        with pytest.raises(Refused, match=remedy) as failure:
            await database.coordinator(url=url).pending()

        assert failure.value.exit_code == 16
        assert "POSTGRES_URL" in str(failure.value)
        assert database.target.password not in str(failure.value)


async def test_a_run_to_a_step_that_is_behind_the_database_changes_nothing(database: PostgresDatabase) -> None:
    await database.apply(until=4)

    assert await database.apply(until=3) == []
    assert await database.value("SELECT version FROM schema_migrations") == 4


async def test_an_old_transaction_on_the_tables_is_found_beforehand(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.apply(9)
    monkeypatch.setattr("outpost.migrations.sql.postgres.preflight._OLD_TRANSACTION_SECONDS", 0.0)

    async with _session(database, "BEGIN", "SELECT count(*) FROM attempts") as session:
        pid = await session.fetchval("SELECT pg_backend_pid()")
        checks = (await database.coordinator().doctor()).checks

    (found,) = [check for check in checks if not check.ok]
    assert found.repair == f"SELECT pg_terminate_backend({pid})"


def test_the_lag_of_a_replica_is_the_age_of_what_it_has_not_replayed() -> None:
    replicas = Replicas()

    assert replicas.lag_after(0.0, written=100, replayed=100) == 0.0
    assert replicas.lag_after(1.0, written=200, replayed=100) == 0.0
    assert replicas.lag_after(3.0, written=300, replayed=150) == 2.0
    assert replicas.lag_after(4.0, written=300, replayed=200) == 1.0
    assert replicas.lag_after(5.0, written=300, replayed=300) == 0.0
    assert replicas.lag_after(6.0, written=400, replayed=None) == 0.0


async def test_batches_wait_for_a_replica_that_is_behind_and_say_so(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.apply(4)
    lags = iter([9.0, 9.0])
    monkeypatch.setattr(Replicas, "lag_after", lambda *_, **__: next(lags, 0.0))

    await database.apply(5)

    (throttled,) = [event for event in database.events if event.event == "throttled"]
    assert throttled.fields["reason"] == "a replica is 9.0 s behind"
