"""The commands over several lines, with lines that only remember what was asked of them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from outpost.domain.errors import ConfigurationError
from outpost.migrations.coordinator import ApplyRequest, Coordinator, refusal
from outpost.migrations.errors import MigrationError, Refused, Unreachable
from outpost.migrations.line import VerifyRequest
from outpost.migrations.report import (
    Check,
    CleanupItem,
    Family,
    Holder,
    LineStatus,
    MigrationState,
    PlannedStep,
    RunRecord,
)
from outpost.migrations.run import Event, Run
from outpost.migrations.steering import Steering, SteeringChange
from tests.support.leases import QUICK, MemoryLease


class RememberedLine:
    """A `Line` with one migration."""

    quarantine = None
    target = "here"

    def __init__(self, name: str, family: Family, log: list[str], *, lease: MemoryLease | None = None) -> None:
        self.name = name
        self.family: Family = family
        self.lease = lease
        self.log = log
        self.records: list[RunRecord] = []
        self.applied = False
        self.fails = False
        self.away = False

    async def states(self) -> Sequence[MigrationState]:
        if self.away:
            raise Unreachable("it is away")
        return [MigrationState(id=f"{self.name}/one", state="applied" if self.applied else "pending")]

    async def status(self) -> LineStatus:
        holder = await self.lease.holder() if self.lease else None
        return LineStatus(
            line=self.name, family=self.family, target=self.target, migrations=await self.states(), holder=holder
        )

    async def plan(self, *, quick: bool) -> Sequence[PlannedStep]:
        return [PlannedStep(id=f"{self.name}/one")]

    async def preflight(self) -> Sequence[Check]:
        await self.states()
        return [Check(name=self.name)]

    async def apply(self, run: Run, *, until: str | None) -> Sequence[MigrationState]:
        self.log.append(f"apply {self.name}")
        if self.fails:
            raise MigrationError("it failed")
        self.applied = True
        return await self.states()

    async def verify(self, request: VerifyRequest) -> Sequence[Check]:
        return [Check(name=self.name)]

    async def cleanup_plan(self) -> Sequence[CleanupItem]:
        return []

    async def cleanup(self, run: Run, *, force: bool) -> Sequence[CleanupItem]:
        if self.fails:
            raise MigrationError("it failed")
        return [CleanupItem(store=self.name, what="old", count=1)]

    async def history(self) -> Sequence[RunRecord]:
        return self.records

    async def record(self, run: RunRecord) -> None:
        self.records.append(run)

    async def close(self) -> None:
        self.log.append(f"close {self.name}")


class Two:
    """A SQL line and a Redis line under one coordinator."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.events: list[Event] = []
        self.sql = RememberedLine("postgres", "sql", self.log, lease=MemoryLease("postgres"))
        self.redis = RememberedLine("redis", "redis", self.log, lease=MemoryLease("redis"))
        self.coordinator = Coordinator([self.sql, self.redis], observe=self.events.append, timings=QUICK)


@pytest.fixture
def two() -> Two:
    return Two()


async def test_lines_are_applied_in_order_and_closed_in_reverse(two: Two) -> None:
    async with two.coordinator:
        applied = await two.coordinator.apply(ApplyRequest())

    assert [state.id for state in applied.steps] == ["postgres/one", "redis/one"]
    assert two.log == ["apply postgres", "apply redis", "close redis", "close postgres"]


async def test_nothing_pending_takes_no_lock(two: Two) -> None:
    two.sql.applied = two.redis.applied = True

    await two.coordinator.apply(ApplyRequest())

    assert two.sql.lease is not None
    assert two.sql.lease.log == []
    assert two.log == []


async def test_a_run_to_a_migration_of_one_line_leaves_the_later_lines_alone(two: Two) -> None:
    applied = await two.coordinator.apply(ApplyRequest(until="postgres/one"))

    assert [state.id for state in applied.steps] == ["postgres/one"]
    assert two.log == ["apply postgres"]


async def test_a_run_to_a_migration_that_is_applied_does_nothing(two: Two) -> None:
    two.sql.applied = True

    assert (await two.coordinator.apply(ApplyRequest(until="postgres/one"))).steps == []
    assert two.log == []


@pytest.mark.parametrize("name", ["redis/two", "nonsense", ""])
async def test_a_run_to_a_migration_that_there_is_not_does_nothing(two: Two, name: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no migration"):
        await two.coordinator.apply(ApplyRequest(until=name))

    assert two.log == []


async def test_a_name_that_several_lines_know_must_be_said_in_full(two: Two) -> None:
    with pytest.raises(ConfigurationError, match="postgres/one, redis/one"):
        await two.coordinator.apply(ApplyRequest(until="one"))

    assert two.log == []


async def test_the_plan_ends_where_the_run_would(two: Two) -> None:
    plan = await two.coordinator.plan(until="postgres/one")

    assert [step.id for step in plan.steps] == ["postgres/one"]


async def test_a_line_that_cannot_be_read_does_not_hide_the_others(two: Two) -> None:
    two.sql.away = True

    listing, status, found = (
        await two.coordinator.listing(),
        await two.coordinator.status(),
        await two.coordinator.doctor(),
    )

    assert [state.id for state in listing.migrations] == ["redis/one"]
    assert [line.line for line in status.lines] == ["redis"]
    assert [check.name for check in found.checks if not check.ok] == ["postgres: can be read"]
    for failures in (listing.failures, status.failures, found.failures):
        assert [(each.line, each.message, each.exit_code) for each in failures] == [("postgres", "it is away", 17)]


async def test_nothing_is_planned_or_done_while_a_line_cannot_be_read(two: Two) -> None:
    two.redis.away = True

    for refused in (two.coordinator.plan(), two.coordinator.pending(), two.coordinator.apply(ApplyRequest())):
        with pytest.raises(Unreachable, match="it is away"):
            await refused

    assert two.log == []


async def test_a_refused_cleanup_says_in_which_store_and_what_was_removed_before(two: Two) -> None:
    two.redis.fails = True

    with pytest.raises(MigrationError, match="redis: it failed; removed before that: postgres old"):
        await two.coordinator.cleanup(ApplyRequest(), force=False)


async def test_the_history_tells_that_a_cleanup_was_forced(two: Two) -> None:
    await two.coordinator.cleanup(ApplyRequest(), force=True)
    await two.coordinator.cleanup(ApplyRequest(), force=False)

    assert [record.detail for record in two.redis.records] == ["forced", ""]


async def test_that_a_run_waits_is_an_event_told_once(two: Two) -> None:
    assert two.redis.lease is not None
    await two.redis.lease.take("f" * 40)
    waited: list[Holder] = []
    long_enough = asyncio.Event()

    def waiting(holder: Holder) -> None:
        waited.append(holder)
        if len(waited) == 3:
            long_enough.set()

    coordinator = Coordinator([two.sql, two.redis], observe=two.events.append, waiting=waiting, timings=QUICK)
    applying = asyncio.create_task(coordinator.apply(ApplyRequest()))
    async with asyncio.timeout(5):
        await long_enough.wait()
    await two.redis.lease.release("f" * 40)
    await applying

    told = [event for event in two.events if event.event in ("lock_waiting", "lock_acquired")]
    assert [(event.event, event.store) for event in told] == [("lock_waiting", "redis"), ("lock_acquired", "")]
    assert told[1].fields["stores"] == ["postgres", "redis"]


async def test_a_failure_stops_before_the_next_line_and_is_in_the_history(two: Two) -> None:
    two.sql.fails = True

    with pytest.raises(MigrationError, match="it failed"):
        await two.coordinator.apply(ApplyRequest())

    assert two.log == ["apply postgres"]
    (record,) = two.redis.records
    assert (record.command, record.outcome, record.detail) == ("apply", "failed", "it failed")
    assert [event.event for event in two.events] == ["lock_acquired", "run_started", "run_failed"]


async def test_a_success_is_in_the_history_of_each_store_with_its_own_migrations(two: Two) -> None:
    await two.coordinator.apply(ApplyRequest())

    assert [record.migrations for record in (*two.sql.records, *two.redis.records)] == [["postgres/one"], ["redis/one"]]
    assert len({record.run for record in await two.coordinator.history()}) == 1


async def test_without_any_lock_a_person_must_promise_to_be_alone() -> None:
    line = RememberedLine("clickhouse", "sql", [])
    coordinator = Coordinator([line], timings=QUICK)

    with pytest.raises(Refused, match="--single-runner") as failure:
        await coordinator.apply(ApplyRequest())

    assert failure.value.exit_code == 16
    assert line.log == []
    await coordinator.apply(ApplyRequest(single_runner=True))
    assert line.log == ["apply clickhouse"]


async def test_unlock_revokes_every_lock_and_the_decision_is_recorded(two: Two) -> None:
    for line in (two.sql, two.redis):
        assert line.lease is not None
        await line.lease.take("f" * 40)

    evicted = await two.coordinator.unlock()

    assert [holder.store for holder in evicted] == ["postgres", "redis"]
    assert [record.command for record in await two.coordinator.history()] == ["unlock", "unlock"]


async def test_unlock_can_be_asked_of_one_store(two: Two) -> None:
    for line in (two.sql, two.redis):
        assert line.lease is not None
        await line.lease.take("f" * 40)

    evicted = await two.coordinator.unlock(store="redis")

    assert [holder.store for holder in evicted] == ["redis"]
    with pytest.raises(ConfigurationError, match="configured: postgres, redis"):
        await two.coordinator.unlock(store="mysql")


async def test_steering_reaches_the_holder_or_nobody(two: Two) -> None:
    assert await two.coordinator.steer(SteeringChange(paused=True)) is None
    assert two.redis.lease is not None
    await two.redis.lease.take("f" * 40)

    assert await two.coordinator.steer(SteeringChange(paused=True)) == Steering(paused=True)


async def test_word_that_reached_one_of_two_stores_counts(two: Two) -> None:
    for line in (two.sql, two.redis):
        assert line.lease is not None
        await line.lease.take("f" * 40)
    assert two.sql.lease is not None
    await two.sql.lease.steer(SteeringChange(paused=True, max_latency_ms=9))

    asked = await two.coordinator.steer(SteeringChange(max_latency_ms=2))

    assert asked == Steering(paused=True, max_latency_ms=2)


async def test_where_no_store_holds_a_lock_no_run_can_be_told() -> None:
    coordinator = Coordinator([RememberedLine("clickhouse", "sql", [])])

    with pytest.raises(Refused, match="clickhouse cannot hold a lock, nor word for the run"):
        await coordinator.steer(SteeringChange(paused=True))


async def test_the_history_is_one_list_in_order_of_time(two: Two) -> None:
    def record(store: str, hour: int) -> RunRecord:
        started = datetime(2026, 1, 1, hour, tzinfo=UTC)
        return RunRecord(store=store, run=f"run_{hour}", command="apply", outcome="ok", started_at=started)

    two.sql.records = [record("postgres", 1), record("postgres", 3)]
    two.redis.records = [record("redis", 2)]

    assert [run.run for run in await two.coordinator.history()] == ["run_1", "run_2", "run_3"]


def test_the_refusal_names_what_is_pending_and_the_one_next_command() -> None:
    states = [
        MigrationState(id="redis/002_timestamps", state="running", detail="61.2 % by api-7f9c, eta 7m"),
        MigrationState(id="redis/003_entity", state="pending"),
    ]

    assert refusal(states) == (
        "2 migrations pending (redis/002_timestamps 61.2 % by api-7f9c, eta 7m; redis/003_entity). "
        "Run: outpost migrate apply"
    )
