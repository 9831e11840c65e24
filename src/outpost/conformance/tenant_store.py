"""What every driver of the tenant store must do."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
import pytest

from outpost.conformance.builders import ONE, START, START_MILLISECOND, TENANT, TWO, a_record
from outpost.conformance.paging import walk_there_and_back
from outpost.domain.errors import DestinationExists, DestinationLimitReached, NotFound, ValidationFailed
from outpost.domain.identifiers import DestinationId, TenantId
from outpost.domain.tenant import StringMap, TenantOverview
from outpost.ports.paging import Direction, Page, PageRequest, Position
from outpost.ports.tenant_store import DestinationRecord, TenantQuery, TenantRecords

T = TypeVar("T")

OTHER = TenantId("umbrella")
MILLISECOND = timedelta(milliseconds=1)
FIRST_PAGE = PageRequest(limit=100)


class TenantRecordsConformance:
    """Bind it by a fixture `records` that yields empty TenantRecords."""

    # --- tenants

    async def test_a_new_tenant_is_created(self, records: TenantRecords) -> None:
        tenant, is_new = await records.put_tenant(TENANT, {"plan": "pro"}, now=START)

        assert is_new
        assert (tenant.id, tenant.metadata) == (TENANT, {"plan": "pro"})
        assert await records.tenant(TENANT) == TenantOverview(tenant=tenant, destinations_count=0, topics=())

    async def test_instants_of_tenants_are_kept_in_milliseconds(self, records: TenantRecords) -> None:
        tenant, _ = await records.put_tenant(TENANT, {}, now=START)

        assert (tenant.created_at, tenant.updated_at) == (START_MILLISECOND, START_MILLISECOND)

    async def test_putting_a_tenant_again_replaces_its_metadata_as_a_whole(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {"plan": "pro", "region": "eu"}, now=START)

        tenant, is_new = await records.put_tenant(TENANT, {"plan": "<free> & \u2028 é"}, now=START + MILLISECOND)

        assert not is_new
        assert tenant.metadata == {"plan": "<free> & \u2028 é"}
        assert (tenant.created_at, tenant.updated_at) == (START_MILLISECOND, START_MILLISECOND + MILLISECOND)
        assert await self.only(records, TENANT) == tenant

    async def test_of_many_puts_at_once_one_creates_the_tenant(self, records: TenantRecords) -> None:
        outcomes = await together(records.put_tenant(TENANT, {}, now=START) for _ in range(50))

        assert sum(is_new for _, is_new in outcomes) == 1

    async def test_an_unknown_tenant_is_not_found(self, records: TenantRecords) -> None:
        assert await records.tenant(TENANT) is None
        assert await records.delete_tenant(TENANT, now=START) is None
        assert await records.records(TENANT) == ()

    async def test_an_overview_has_the_sorted_topics_of_all_destinations(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await self.add(records, a_record(ONE, topics=("user.updated", "order.*")))
        await self.add(records, a_record(TWO, topics=("user.created", "order.*"), disabled_at=START))

        overview = await records.tenant(TENANT)

        assert overview is not None
        assert overview.destinations_count == 2
        assert overview.topics == ("order.*", "user.created", "user.updated")

    async def test_one_destination_for_all_topics_makes_it_all_topics(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await self.add(records, a_record(ONE, topics=("user.updated",)))
        await self.add(records, a_record(TWO, topics=("*",)))

        overview = await records.tenant(TENANT)

        assert overview is not None
        assert overview.topics == ("*",)

    async def test_a_deleted_destination_no_longer_counts(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await self.add(records, a_record(ONE, topics=("*",)))
        await records.delete_record(TENANT, ONE, now=START)

        overview = await records.tenant(TENANT)

        assert overview is not None
        assert (overview.destinations_count, overview.topics) == (0, ())

    async def test_deleting_a_tenant_deletes_its_destinations_and_tells_which(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await self.add(records, a_record(ONE), a_record(TWO))
        await records.delete_record(TENANT, TWO, now=START)

        deleted = await records.delete_tenant(TENANT, now=START)

        assert deleted == [ONE]
        assert await records.tenant(TENANT) is None
        assert await records.records(TENANT) == ()
        assert await records.change_record(TENANT, ONE, lambda record: record) is None
        assert not await records.delete_record(TENANT, ONE, now=START)
        with pytest.raises(NotFound):
            await records.add_record(a_record(TWO), limit=20)

    async def test_a_tenant_is_deleted_once(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await records.delete_tenant(TENANT, now=START)

        assert await records.delete_tenant(TENANT, now=START) is None

    async def test_a_deleted_tenant_comes_back_as_a_new_one(self, records: TenantRecords) -> None:
        later = START + timedelta(days=1)
        await records.put_tenant(TENANT, {"plan": "pro"}, now=START)
        await self.add(records, a_record(ONE))
        await records.delete_tenant(TENANT, now=START)

        tenant, is_new = await records.put_tenant(TENANT, {}, now=later)

        assert is_new
        assert tenant.metadata == {}
        assert tenant.created_at == tenant.updated_at == START_MILLISECOND + timedelta(days=1)
        assert await records.tenant(TENANT) == TenantOverview(tenant=tenant, destinations_count=0, topics=())
        assert await records.records(TENANT) == ()

    async def test_tenants_do_not_touch_each_other(self, records: TenantRecords) -> None:
        for tenant_id in (TENANT, OTHER):
            await records.put_tenant(tenant_id, {}, now=START)
            await self.add(records, a_record(ONE, tenant_id=tenant_id, metadata={"of": tenant_id}))

        await records.delete_tenant(TENANT, now=START)

        assert [record.metadata for record in await records.records(OTHER)] == [{"of": OTHER}]
        assert await self.only(records, OTHER) is not None

    # --- listing tenants

    @pytest.mark.parametrize("direction", ["asc", "desc"])
    async def test_tenants_are_listed_by_creation_then_id(self, records: TenantRecords, direction: Direction) -> None:
        for tenant_id, moment in (("c", 0), ("b", 1), ("a", 1), ("d", 2)):
            await records.put_tenant(TenantId(tenant_id), {}, now=START + moment * MILLISECOND)

        page = await self.page(records, PageRequest(limit=100, direction=direction))

        listed = [overview.tenant.id for overview in page.items]
        assert listed == (["c", "a", "b", "d"] if direction == "asc" else ["d", "b", "a", "c"])
        assert not page.more

    @pytest.mark.parametrize("direction", ["asc", "desc"])
    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
    async def test_tenants_of_one_millisecond_are_on_exactly_one_page_each(
        self, records: TenantRecords, direction: Direction, limit: int
    ) -> None:
        for number in range(7):
            await records.put_tenant(TenantId(f"tenant {number}"), {}, now=START)
        expected = [f"tenant {number}" for number in range(7)]

        there, back = await walk_there_and_back(
            lambda request: self.page(records, request), tenant_position, limit=limit, direction=direction
        )

        expected = expected if direction == "asc" else expected[::-1]
        assert [overview.tenant.id for page in there for overview in page] == expected
        assert [overview.tenant.id for page in back for overview in page] == expected
        assert max(map(len, there + back)) <= limit

    async def test_the_count_of_tenants_does_not_depend_on_the_page(self, records: TenantRecords) -> None:
        for number in range(5):
            await records.put_tenant(TenantId(f"tenant {number}"), {}, now=START)
        await records.delete_tenant(TenantId("tenant 3"), now=START)

        first = await records.tenants(TenantQuery(page=PageRequest(limit=2)))
        last = await records.tenants(
            TenantQuery(page=PageRequest(limit=2, after=tenant_position(first.page.items[-1])))
        )

        assert (first.count, last.count) == (4, 4)
        assert [len(first.page.items), len(last.page.items)] == [2, 2]
        assert (first.page.more, last.page.more) == (True, False)

    async def test_tenants_are_selected_by_exact_ids(self, records: TenantRecords) -> None:
        ids = ["a,b", 'quo"te', "A", "a", "100%", "{x}", "back\\slash", "ü"]
        for tenant_id in ids:
            await records.put_tenant(TenantId(tenant_id), {}, now=START)

        for tenant_id in ids:
            found = await records.tenants(TenantQuery(page=FIRST_PAGE, ids=[tenant_id, "unknown"]))
            assert [overview.tenant.id for overview in found.page.items] == [tenant_id]
            assert found.count == 1

    async def test_an_empty_list_of_ids_selects_no_tenant(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)

        found = await records.tenants(TenantQuery(page=FIRST_PAGE, ids=[]))

        assert (found.page.items, found.page.more, found.count) == ([], False, 0)

    async def test_deleted_tenants_are_not_listed(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await records.delete_tenant(TENANT, now=START)

        found = await records.tenants(TenantQuery(page=FIRST_PAGE, ids=[TENANT]))

        assert (found.page.items, found.count) == ([], 0)

    async def test_listed_tenants_are_as_they_are_found_alone(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {"plan": "pro"}, now=START)
        await self.add(records, a_record(ONE, topics=("b", "a")))

        (listed,) = (await self.page(records, FIRST_PAGE)).items

        assert listed == await records.tenant(TENANT)
        assert (listed.destinations_count, listed.topics) == (1, ("a", "b"))

    # --- destinations

    @pytest.mark.parametrize(
        "record",
        [
            a_record(),
            a_record(filter=None, config={}, delivery_metadata=None, metadata={}, topics=("*",), credentials=b"\x00"),
            a_record(disabled_at=START_MILLISECOND, metadata={"<&>": "\u2028 \x01 é", "": ""}),
            a_record("id with 'quotes', \"commas\" and ü", filter={"n": [1, 2.5, None, True, {"$not": "x"}]}),
        ],
    )
    async def test_a_destination_comes_back_as_it_was_stored(
        self, records: TenantRecords, record: DestinationRecord
    ) -> None:
        await records.put_tenant(TENANT, {}, now=START)

        await records.add_record(record, limit=20)

        assert await records.records(TENANT) == (record,)

    async def test_instants_of_destinations_are_kept_in_milliseconds(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await self.add(records, a_record(created_at=START, updated_at=START, disabled_at=START))

        (record,) = await records.records(TENANT)

        assert {record.created_at, record.updated_at, record.disabled_at} == {START_MILLISECOND}

    async def test_destinations_are_ordered_by_creation_then_id(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        for id_, moment in (("c", 0), ("b", 1), ("a", 1), ("d", -1)):
            await self.add(records, a_record(id_, created_at=START + moment * MILLISECOND))

        assert [record.id for record in await records.records(TENANT)] == ["d", "c", "a", "b"]

    async def test_a_destination_needs_its_tenant(self, records: TenantRecords) -> None:
        with pytest.raises(NotFound):
            await records.add_record(a_record(), limit=20)

        assert await records.records(TENANT) == ()

    async def test_a_destination_id_is_used_once_by_a_tenant(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await self.add(records, a_record(metadata={"first": "yes"}))

        with pytest.raises(DestinationExists):
            await records.add_record(a_record(), limit=20)
        assert [record.metadata for record in await records.records(TENANT)] == [{"first": "yes"}]

    async def test_at_the_limit_no_destination_is_added(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await records.add_record(a_record(ONE), limit=1)

        with pytest.raises(DestinationLimitReached):
            await records.add_record(a_record(TWO), limit=1)
        with pytest.raises(DestinationExists):
            await records.add_record(a_record(ONE), limit=1)
        assert [record.id for record in await records.records(TENANT)] == [ONE]

    async def test_a_deleted_destination_makes_room(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await records.add_record(a_record(ONE), limit=1)
        await records.delete_record(TENANT, ONE, now=START)

        await records.add_record(a_record(TWO), limit=1)

        assert [record.id for record in await records.records(TENANT)] == [TWO]

    async def test_the_limit_holds_against_many_at_once(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)

        outcomes = await outcomes_of(records.add_record(a_record(f"des_{n}"), limit=20) for n in range(50))

        refused = [outcome for outcome in outcomes if isinstance(outcome, DestinationLimitReached)]
        assert len(refused) == 30
        assert len(await records.records(TENANT)) == 20

    async def test_of_many_destinations_of_one_id_at_once_one_is_added(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)

        outcomes = await outcomes_of(
            records.add_record(a_record(ONE, metadata={"n": str(n)}), limit=20) for n in range(20)
        )

        winners = [n for n, outcome in enumerate(outcomes) if outcome is None]
        assert len(winners) == 1
        assert sum(isinstance(outcome, DestinationExists) for outcome in outcomes) == 19
        assert [record.metadata for record in await records.records(TENANT)] == [{"n": str(winners[0])}]

    async def test_the_id_of_a_deleted_destination_starts_anew(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await self.add(records, a_record(disabled_at=START))
        await records.delete_record(TENANT, ONE, now=START)
        fresh = a_record(filter=None, config={"url": "https://new"}, delivery_metadata=None, metadata={})

        await records.add_record(fresh, limit=20)

        assert await records.records(TENANT) == (fresh,)

    async def test_unchanged_destinations_keep_their_order_and_content(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await self.add(records, a_record(ONE), a_record(TWO))
        before = await records.records(TENANT)

        await records.put_tenant(TENANT, {"plan": "pro"}, now=START)

        assert await records.records(TENANT) == before

    # --- changing and deleting destinations

    async def test_a_change_replaces_the_destination(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await self.add(records, a_record(ONE), a_record(TWO))

        changed = await records.change_record(TENANT, ONE, with_changes(topics=("*",), filter=None, disabled_at=START))

        assert changed == a_record(ONE, topics=("*",), filter=None, disabled_at=START_MILLISECOND)
        assert await records.records(TENANT) == (changed, a_record(TWO))

    async def test_a_change_cannot_give_a_destination_another_name(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await self.add(records, a_record(ONE))

        await records.change_record(TENANT, ONE, with_changes(id=TWO, tenant_id=OTHER, metadata={"moved": "no"}))

        assert await records.records(TENANT) == (a_record(ONE, metadata={"moved": "no"}),)

    async def test_an_unknown_destination_is_not_changed(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)

        assert await records.change_record(TENANT, ONE, never) is None
        assert await records.change_record(OTHER, ONE, never) is None

    async def test_a_change_that_fails_stores_nothing(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await self.add(records, a_record())

        def refuse(record: DestinationRecord) -> DestinationRecord:
            raise ValidationFailed(f"{record.id} stays as it is")

        with pytest.raises(ValidationFailed, match="des_1 stays as it is"):
            await records.change_record(TENANT, ONE, refuse)
        assert await records.records(TENANT) == (a_record(),)

    async def test_changes_at_once_all_take_effect(self, records: TenantRecords) -> None:
        def count(record: DestinationRecord) -> DestinationRecord:
            counted = {"count": str(int(record.metadata.get("count", "0")) + 1)}
            return msgspec.structs.replace(record, metadata=counted)

        await records.put_tenant(TENANT, {}, now=START)
        await self.add(records, a_record(metadata={}))

        await together(records.change_record(TENANT, ONE, count) for _ in range(50))

        assert [record.metadata for record in await records.records(TENANT)] == [{"count": "50"}]

    async def test_a_deleted_destination_is_not_found(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await self.add(records, a_record(ONE), a_record(TWO))

        assert await records.delete_record(TENANT, ONE, now=START)

        assert [record.id for record in await records.records(TENANT)] == [TWO]
        assert await records.change_record(TENANT, ONE, never) is None
        assert not await records.delete_record(TENANT, ONE, now=START)

    async def test_the_same_destination_id_lives_in_each_tenant_by_itself(self, records: TenantRecords) -> None:
        for tenant_id in (TENANT, OTHER):
            await records.put_tenant(tenant_id, {}, now=START)
            await self.add(records, a_record(ONE, tenant_id=tenant_id))

        await records.change_record(OTHER, ONE, with_changes(metadata={"changed": "yes"}))
        await records.delete_record(TENANT, ONE, now=START)

        assert await records.records(TENANT) == ()
        assert await records.records(OTHER) == (a_record(ONE, tenant_id=OTHER, metadata={"changed": "yes"}),)

    async def test_a_sample_is_of_what_is_sealed_for_destinations_that_are_there(self, records: TenantRecords) -> None:
        for tenant_id in (TENANT, OTHER):
            await records.put_tenant(tenant_id, {}, now=START)
            for id_ in (ONE, TWO):
                sealed = f"{tenant_id} {id_}".encode()
                await self.add(records, a_record(id_, tenant_id=tenant_id, credentials=sealed))
        await records.delete_record(OTHER, TWO, now=START)

        sample = await records.sealed_sample(100)

        assert sorted(sample) == [b"acme des_1", b"acme des_2", b"umbrella des_1"]

    async def test_a_sample_is_no_larger_than_asked_for(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        everything: set[bytes] = set()
        for number in range(30):
            everything.add(sealed := f"sealed {number}".encode())
            await records.add_record(a_record(DestinationId(f"des_{number}"), credentials=sealed), limit=30)

        sample = await records.sealed_sample(10)

        assert len(sample) == len(set(sample)) == 10
        assert set(sample) <= everything

    async def test_of_nothing_a_sample_is_empty(self, records: TenantRecords) -> None:
        assert list(await records.sealed_sample(10)) == []
        await records.put_tenant(TENANT, {}, now=START)
        await self.add(records, a_record(ONE))
        await records.delete_tenant(TENANT, now=START)

        assert list(await records.sealed_sample(10)) == []

    async def test_a_write_is_seen_by_reads_that_start_after_it_among_others(self, records: TenantRecords) -> None:
        """Reads that run all the time must not bring back what was there before."""
        await records.put_tenant(TENANT, {}, now=START)
        await self.add(records, a_record(metadata={"n": "0"}))
        done = asyncio.Event()

        async def read_all_the_time() -> None:
            while not done.is_set():
                await records.records(TENANT)
                await asyncio.sleep(0)

        readers = [asyncio.create_task(read_all_the_time()) for _ in range(4)]
        seen: list[StringMap] = []
        for number in range(1, 31):
            await records.change_record(TENANT, ONE, with_changes(metadata={"n": str(number)}))
            seen += [record.metadata for record in await records.records(TENANT)]
        done.set()
        await asyncio.gather(*readers)

        assert seen == [{"n": str(number)} for number in range(1, 31)]

    async def test_a_cancelled_change_happens_wholly_or_not_at_all(self, records: TenantRecords) -> None:
        await records.put_tenant(TENANT, {}, now=START)
        await self.add(records, a_record(metadata={"n": "0"}))
        change = asyncio.create_task(records.change_record(TENANT, ONE, with_changes(metadata={"n": "1"})))
        await asyncio.sleep(0)
        change.cancel()
        await asyncio.gather(change, return_exceptions=True)

        await records.put_tenant(TENANT, {}, now=START)  # whatever was under way has ended by now
        first = await records.records(TENANT)
        await records.change_record(TENANT, ONE, with_changes(config={}))
        second = await records.records(TENANT)

        assert [record.metadata for record in first] in ([{"n": "0"}], [{"n": "1"}])
        assert [record.metadata for record in second] == [record.metadata for record in first]

    # --- steps

    async def add(self, records: TenantRecords, *new: DestinationRecord) -> None:
        for record in new:
            await records.add_record(record, limit=100)

    async def only(self, records: TenantRecords, tenant_id: TenantId) -> object:
        overview = await records.tenant(tenant_id)
        return None if overview is None else overview.tenant

    async def page(self, records: TenantRecords, request: PageRequest) -> Page[TenantOverview]:
        return (await records.tenants(TenantQuery(page=request))).page


def tenant_position(overview: TenantOverview) -> Position:
    return Position(overview.tenant.created_at, overview.tenant.id)


def with_changes(**changes: Any) -> Callable[[DestinationRecord], DestinationRecord]:
    return lambda record: msgspec.structs.replace(record, **changes)


def never(record: DestinationRecord) -> DestinationRecord:
    raise AssertionError(f"{record.id} is not there to be changed")


async def together(calls: Iterable[Awaitable[T]]) -> list[T]:
    return list(await asyncio.gather(*calls))


async def outcomes_of(calls: Iterable[Awaitable[object]]) -> list[object]:
    """Run calls together; return what each returned or raised."""
    return list(await asyncio.gather(*calls, return_exceptions=True))
