"""The scripts in the server do what the pure transforms say."""

import random
from datetime import UTC, datetime, timedelta, timezone

from outpost.clients.redis import RedisClient, RedisOptions
from outpost.migrations.lease import HeldLeases, Timings
from outpost.migrations.owner import this_process
from outpost.migrations.redis.context import Context
from outpost.migrations.redis.families import Kind, Names, Sorted
from outpost.migrations.redis.keys import ToolKeys
from outpost.migrations.redis.m002_timestamps import Timestamps
from outpost.migrations.redis.m003_entity import Entity
from outpost.migrations.redis.single import SingleWorker
from outpost.migrations.redis.work import Task
from outpost.migrations.run import Limits, Run
from tests.support.redis_store import RedisStore, Value, a_hash

EDGES = [
    "", "0", "-1", "+1", "9223372036854775807", "9223372036854775808", "00000000000000000000001", "1e3", "yesterday",
    "2024-02-29T00:00:00Z", "2023-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2000-02-29T23:59:59.999999999Z",
    "1969-12-31T23:59:59.0001Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2025-05-06T12:00:60Z",
    "2025-05-06T12:00:00.12Z", "2025-05-06T12:00:00.9+07:00",
    "2025-05-06T12:00:00.Z", "2025-05-06T12:00:00,5Z", "2025-05-06t12:00:00Z", "2025-05-06T12:00:00+24:00",
    "2025-05-06T12:00:00.1234567890123Z", "2025-00-06T12:00:00Z", "2025-01-00T12:00:00Z", "2025-01-32T12:00:00Z",
    "2025-05-06T12:00:00+0700", "2025-05-06T12:00:00Z\n", "\n2025-05-06T12:00:00Z", "2025-05-06T12:00:00.5+07:60",
]  # fmt: skip


def _a_run() -> Run:
    owner = this_process()
    leases = HeldLeases([], owner, 1, Timings())
    return Run(owner=owner, leases=leases, limits=Limits(), observe=lambda _: None)


def _times() -> list[str]:
    chooser = random.Random(7)
    start = datetime(1, 1, 2, tzinfo=UTC)
    times: list[str] = list(EDGES)
    for _ in range(1_000):
        zone = timezone(timedelta(minutes=chooser.randint(-1439, 1439)))
        instant = start + timedelta(
            seconds=chooser.randint(0, 315_000_000_000), microseconds=chooser.randint(0, 999_999)
        )
        try:
            times.append(instant.astimezone(zone).isoformat(timespec=chooser.choice(["seconds", "microseconds"])))
        except OverflowError:
            continue
    return times


async def test_a_record_that_a_script_has_changed_is_what_the_transforms_make_of_it(single: RedisStore) -> None:
    chooser = random.Random(8)
    names, data = Names(), dict[bytes, Value]()
    for number, text in enumerate(_times()):
        fields = {"id": str(number), "created_at": text}
        if chooser.random() < 0.5:
            fields["updated_at"] = chooser.choice(EDGES)
        if chooser.random() < 0.3:
            fields["entity"] = chooser.choice(["", "tenant", "destination", "other"])
        data[names.tenant(str(number).encode())] = a_hash(**fields)
    single.write(data)
    single.command("SET", ToolKeys().fence, 1)

    async with RedisClient(RedisOptions(host=single.nodes[0].host, port=single.nodes[0].port)) as redis:
        task = Task(Context(redis, ToolKeys(), across=False), "23", _a_run())
        done = await SingleWorker(task).page(Sorted(tenants=list(data)), batch=50, again=False)

    after = single.read()
    left = {(key, number) for key, number, _ in done.odd}
    for key, value in data.items():
        wanted = value.content
        for migration in (Timestamps(), Entity()):
            try:
                wanted = migration.transform(wanted, Kind.TENANT)
            except ValueError:
                assert (key, migration.number) in left, value
            else:
                assert (key, migration.number) not in left, value
        assert after[key].content == wanted, value
