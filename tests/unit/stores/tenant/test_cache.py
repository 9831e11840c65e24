"""What is remembered of tenants is never older than the last finished write."""

import asyncio

import pytest

from outpost.domain.identifiers import TenantId
from outpost.stores.tenant.cache import RecordCache, Records
from tests.support.builders import a_record

_ACME, _UMBRELLA, _INITECH = TenantId("acme"), TenantId("umbrella"), TenantId("initech")


class Source:
    """Rows that a load reads when it starts, and returns when let go.

    Attributes:
        loads: Whose rows were read.
        started: Set at the first load.
    """

    def __init__(self, *, held: bool = False) -> None:
        self.rows: Records = (a_record("des_1"),)
        self.loads: list[TenantId] = []
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()
        self.failure: Exception | None = None
        if not held:
            self.go_on.set()

    async def load(self, tenant_id: TenantId) -> Records:
        rows, failure = self.rows, self.failure
        self.loads.append(tenant_id)
        self.started.set()
        await self.go_on.wait()
        if failure is not None:
            raise failure
        return rows


async def test_what_was_loaded_is_remembered_as_the_same_object() -> None:
    source = Source()
    cache = RecordCache(source.load, limit=10)
    assert cache.get(_ACME) is None

    loaded = await cache.fill(_ACME)
    assert cache.get(_ACME) is loaded


async def test_that_a_tenant_has_none_is_remembered_too() -> None:
    source = Source()
    source.rows = ()
    cache = RecordCache(source.load, limit=10)
    await cache.fill(_ACME)

    assert cache.get(_ACME) == ()


async def test_a_write_makes_it_forget_one_tenant() -> None:
    cache = RecordCache(Source().load, limit=10)
    for tenant in (_ACME, _UMBRELLA):
        await cache.fill(tenant)
    cache.forget(_ACME)
    cache.forget(_INITECH)  # never known

    assert cache.get(_ACME) is None
    assert cache.get(_UMBRELLA) is not None


async def test_callers_together_share_one_load() -> None:
    source = Source(held=True)
    cache = RecordCache(source.load, limit=10)
    tasks = [asyncio.create_task(cache.fill(_ACME)) for _ in range(5)]
    await source.started.wait()
    source.go_on.set()
    results = await asyncio.gather(*tasks)

    assert source.loads == [_ACME]
    assert all(result is results[0] for result in results)


async def test_a_load_that_a_write_overtook_is_not_remembered() -> None:
    source = Source(held=True)
    cache = RecordCache(source.load, limit=10)
    old = asyncio.create_task(cache.fill(_ACME))
    await source.started.wait()
    source.rows = (a_record("des_2"),)
    cache.forget(_ACME)
    source.go_on.set()
    await old

    assert cache.get(_ACME) is None
    assert [record.id for record in await cache.fill(_ACME)] == ["des_2"]


async def test_who_asks_after_a_write_does_not_join_a_load_from_before_it() -> None:
    source = Source(held=True)
    cache = RecordCache(source.load, limit=10)
    old = asyncio.create_task(cache.fill(_ACME))
    await source.started.wait()
    source.rows = (a_record("des_2"),)
    cache.forget(_ACME)
    new = asyncio.create_task(cache.fill(_ACME))
    await asyncio.sleep(0)
    source.go_on.set()

    assert [record.id for record in await old] == ["des_1"]
    assert [record.id for record in await new] == ["des_2"]
    remembered = cache.get(_ACME)
    assert remembered is not None
    assert remembered[0].id == "des_2"


@pytest.mark.parametrize("fate", ["cancelled", "failed"])
async def test_the_fate_of_the_caller_that_loads_is_not_that_of_the_others(fate: str) -> None:
    source = Source(held=True)
    cache = RecordCache(source.load, limit=10)
    if fate == "failed":
        source.failure = OSError("disk")
    first = asyncio.create_task(cache.fill(_ACME))
    await source.started.wait()
    source.failure = None
    others = [asyncio.create_task(cache.fill(_ACME)) for _ in range(3)]
    await asyncio.sleep(0)
    if fate == "cancelled":
        first.cancel()
    source.go_on.set()
    await asyncio.wait([first])

    assert [await other for other in others] == [source.rows] * 3
    assert first.cancelled() == (fate == "cancelled")
    if fate == "failed":
        assert isinstance(first.exception(), OSError)


async def test_a_cancelled_waiter_does_not_cancel_the_load() -> None:
    source = Source(held=True)
    cache = RecordCache(source.load, limit=10)
    first, second = (asyncio.create_task(cache.fill(_ACME)) for _ in range(2))
    await source.started.wait()
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    source.go_on.set()

    assert await first == source.rows
    assert source.loads == [_ACME]


async def test_beyond_its_limit_the_tenant_used_longest_ago_is_forgotten() -> None:
    cache = RecordCache(Source().load, limit=2)
    await cache.fill(_ACME)
    await cache.fill(_UMBRELLA)
    cache.get(_ACME)
    await cache.fill(_INITECH)

    assert cache.get(_UMBRELLA) is None
    assert cache.get(_ACME) is not None
    assert cache.get(_INITECH) is not None


async def test_a_limit_of_none_remembers_nothing() -> None:
    source = Source()
    cache = RecordCache(source.load, limit=0)
    await cache.fill(_ACME)

    assert cache.get(_ACME) is None
