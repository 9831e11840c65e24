"""Records of every form that releases wrote, of odd names, and of broken shapes."""

import pytest

from outpost.migrations.coordinator import ApplyRequest
from outpost.migrations.errors import DecisionNeeded
from outpost.migrations.line import VerifyRequest
from outpost.migrations.run import Limits
from tests.support.redis_store import Data, RedisStore, Value, a_hash

SUMMARY = b'{"id":"%s","type":"webhook","topics":["user.created"],"disabled":false}'
TEXT, MS = "2025-05-06T12:00:00.12+07:00", b"1746507600120"
LATER_TEXT, LATER_MS = "2025-05-06T12:00:01.5+07:00", b"1746507601500"
ODD_IDS = [
    "org:42", "a{b}c", "{x", "x}", "café-租户", "space tenant", 'quo"te', "x:destinations", "a:destination:b", "tenant",
    "destinations", "back\\slash", "-", ":", "a:", ":b", "*", "[abc]", "?",
]  # fmt: skip


def a_legacy_tenant(tenant: str, *destinations: str, listed: bool = True) -> dict[bytes, Value]:
    """Return what release 0.5 wrote for a tenant."""
    old = f"tenant:{tenant}"
    data = {old.encode(): a_hash(id=tenant, created_at=TEXT)}
    if destinations and listed:
        content = {name.encode(): SUMMARY % name.encode() for name in destinations}
        data[f"{old}:destinations".encode()] = Value("hash", content)
    for name in destinations:
        data[f"{old}:destination:{name}".encode()] = a_hash(
            id=name, type="webhook", topics="user.created", config="{}", credentials=b"\x00\xff", created_at=LATER_TEXT
        )
    return data


async def _apply(store: RedisStore, deployment_id: str = "", limits: Limits | None = None) -> None:
    async with store.coordinator(deployment_id) as coordinator:
        await coordinator.apply(ApplyRequest(limits=limits or Limits()))
        found = await coordinator.verify(VerifyRequest(full=True))
        assert found.ok, found
        (line,) = (await coordinator.status()).lines
        assert all(books.balanced for books in line.books)


def _fields(store: RedisStore, key: str) -> dict[bytes, bytes]:
    flat = store.command("HGETALL", key)
    return dict(zip(flat[::2], flat[1::2], strict=True))


async def test_records_of_release_0_5_become_current_ones_and_stay_beside_them(store: RedisStore) -> None:
    data = {**a_legacy_tenant("acme", "des_1"), b"tenant:gone": a_hash(600_000, deleted_at="2025-09-01T08:00:00.1Z")}
    store.write(data)

    await _apply(store)

    assert _fields(store, "tenant:{acme}:tenant") == {
        b"id": b"acme", b"created_at": MS, b"entity": b"tenant", b"outpost:kept:created_at": TEXT.encode(),
    }  # fmt: skip
    assert _fields(store, "tenant:{acme}:destination:des_1") == {
        b"id": b"des_1", b"type": b"webhook", b"topics": b"user.created", b"config": b"{}", b"credentials": b"\x00\xff",
        b"created_at": LATER_MS, b"entity": b"destination", b"outpost:kept:created_at": LATER_TEXT.encode(),
    }  # fmt: skip
    assert _fields(store, "tenant:{acme}:destinations") == {b"des_1": SUMMARY % b"des_1"}
    assert _fields(store, "tenant:{gone}:tenant") == {b"deleted_at": b"2025-09-01T08:00:00.1Z", b"entity": b"tenant"}
    assert 590_000 < store.command("PTTL", "tenant:{gone}:tenant") <= 600_000
    after = store.read()
    assert all(after[key].content == value.content for key, value in data.items())


@pytest.mark.parametrize("deployment_id", ["", "dp_001"])
async def test_records_of_releases_0_6_to_0_11_are_rewritten_in_place(store: RedisStore, deployment_id: str) -> None:
    prefix = f"{deployment_id}:" if deployment_id else ""
    tenant, destination = f"{prefix}tenant:{{acme}}:tenant", f"{prefix}tenant:{{acme}}:destination:des_1"
    store.write(
        {
            tenant.encode(): a_hash(id="acme", created_at=TEXT, updated_at=LATER_TEXT, metadata='{"a":"b"}'),
            destination.encode(): a_hash(600_000, id="des_1", created_at=TEXT, updated_at=TEXT, deleted_at=TEXT),
        }
    )

    await _apply(store, deployment_id)

    assert _fields(store, tenant) == {
        b"id": b"acme", b"created_at": MS, b"updated_at": LATER_MS, b"metadata": b'{"a":"b"}', b"entity": b"tenant",
        b"outpost:kept:created_at": TEXT.encode(), b"outpost:kept:updated_at": LATER_TEXT.encode(),
    }  # fmt: skip
    assert _fields(store, destination)[b"deleted_at"] == TEXT.encode()
    assert _fields(store, destination)[b"entity"] == b"destination"
    assert 0 < store.command("PTTL", destination) <= 600_000


async def test_a_current_record_is_left_as_it_is(store: RedisStore) -> None:
    # Golden fixture F1, with the times the specification gives for it.
    current = a_hash(
        id="acme", entity="tenant", created_at="1767323045678", updated_at="1767323045678", metadata='{"plan":"pro"}'
    )
    store.write({b"tenant:{acme}:tenant": current})

    await _apply(store)

    assert store.read()[b"tenant:{acme}:tenant"] == current


async def test_with_a_deployment_id_records_of_others_are_not_touched(store: RedisStore) -> None:
    other: Data = {
        **a_legacy_tenant("acme", "des_1"),
        b"dp_002:tenant:{acme}:tenant": a_hash(id="acme", created_at=TEXT),
    }
    store.write({**other, b"dp_001:tenant:{acme}:tenant": a_hash(id="acme", created_at=TEXT)})

    async with store.coordinator("dp_001") as coordinator:
        await coordinator.apply(ApplyRequest())
        states = {state.id: state.state for state in await coordinator.states()}

    after = store.read()
    assert states["redis/001_hash_tags"] == "not_applicable"
    assert after[b"dp_001:outpost:migration:001_hash_tags"].content[b"status"] == b"not_applicable"
    assert {key: after[key] for key in other} == other
    assert b"tenant:{acme}:tenant" not in after


@pytest.mark.parametrize("tenant", ODD_IDS)
async def test_a_tenant_of_any_name_is_migrated(single: RedisStore, tenant: str) -> None:
    single.write(a_legacy_tenant(tenant, "des_1", "des:2", "des 3"))

    await _apply(single)

    assert _fields(single, f"tenant:{{{tenant}}}:tenant")[b"id"] == tenant.encode()
    for name in ("des_1", "des:2", "des 3"):
        assert _fields(single, f"tenant:{{{tenant}}}:destination:{name}")[b"id"] == name.encode()


async def test_odd_names_are_migrated_in_a_cluster_too(cluster: RedisStore) -> None:
    for tenant in ODD_IDS:
        cluster.write(a_legacy_tenant(tenant, "des_1"))

    await _apply(cluster)

    for tenant in ODD_IDS:
        assert _fields(cluster, f"tenant:{{{tenant}}}:tenant")[b"id"] == tenant.encode()
        assert _fields(cluster, f"tenant:{{{tenant}}}:destination:des_1")[b"id"] == b"des_1"


@pytest.mark.parametrize("destination", [*ODD_IDS, "x:destinations", "a:destination:b"])
async def test_a_destination_of_any_name_is_migrated(single: RedisStore, destination: str) -> None:
    single.write(a_legacy_tenant("acme", destination))

    await _apply(single)

    assert _fields(single, f"tenant:{{acme}}:destination:{destination}")[b"id"] == destination.encode()


async def test_a_destination_that_no_summary_lists_is_migrated(store: RedisStore) -> None:
    store.write(a_legacy_tenant("acme", "des_1", listed=False))

    await _apply(store)

    assert _fields(store, "tenant:{acme}:destination:des_1")[b"created_at"] == LATER_MS


async def test_a_destination_with_an_empty_id_is_migrated(store: RedisStore) -> None:
    store.write(a_legacy_tenant("acme", "", "des_1"))

    await _apply(store)

    assert _fields(store, "tenant:{acme}:destination:")[b"id"] == b""
    assert _fields(store, "tenant:{acme}:destination:")[b"created_at"] == LATER_MS


@pytest.mark.parametrize("lost", ["des_1", ""])
async def test_a_destination_that_its_tenant_does_not_list_any_more_is_a_difference(
    store: RedisStore, lost: str
) -> None:
    store.write(a_legacy_tenant("acme", "", "des_1", "des_2"))
    await _apply(store)
    store.command("HDEL", "tenant:{acme}:destinations", lost)

    async with store.coordinator() as coordinator:
        found = await coordinator.verify(VerifyRequest(full=True))

    assert [text for check in found.checks for text in check.differences] == [
        f"tenant:{{acme}}:destination:{lost} is not in its tenant's summary any more, although it was not deleted"
    ]


@pytest.mark.parametrize("tenant", ["x:destinations", "a:destination:b", "{x", "org:42"])
async def test_a_tenant_alone_whose_name_means_something_else_is_compared_as_what_it_is(
    store: RedisStore, tenant: str
) -> None:
    store.write(a_legacy_tenant(tenant))
    await _apply(store)
    store.command("HSET", f"tenant:{{{tenant}}}:tenant", "metadata", "{}")

    async with store.coordinator() as coordinator:
        found = await coordinator.verify(VerifyRequest(full=True))

    differences = [text for check in found.checks for text in check.differences]
    assert differences == [f"tenant:{{{tenant}}}:tenant metadata differs"]


ORIGINAL = a_hash(status="applied", applied_at="2026-04-01T00:00:00Z")


@pytest.mark.parametrize("own_id", ["des_1", "", "des_2"])
async def test_a_destination_that_the_original_tool_lost_is_missing_whatever_it_says_of_itself(
    store: RedisStore, own_id: str
) -> None:
    content = {b"des_1": SUMMARY % b"des_1"}
    store.write(
        {
            **a_legacy_tenant("acme"),
            b"tenant:acme:destinations": Value("hash", content),
            b"tenant:acme:destination:des_1": a_hash(id=own_id, created_at=TEXT),
            b"tenant:{acme}:tenant": a_hash(id="acme", created_at=MS, entity="tenant"),
            b"tenant:{acme}:destinations": Value("hash", content),
            **{
                f"outpost:migration:{name}".encode(): ORIGINAL
                for name in ("001_hash_tags", "002_timestamps", "003_entity")
            },
        }
    )

    async with store.coordinator() as coordinator:
        found = await coordinator.verify(VerifyRequest(full=True))

    differences = [text for check in found.checks for text in check.differences]
    assert differences == ["tenant:{acme}:destination:des_1 is missing"]


async def test_a_large_destination_whose_copy_is_gone_is_missing(store: RedisStore) -> None:
    store.write(a_legacy_tenant("acme", "des_1", "des_2"))
    fields = [text for number in range(3_000) for text in (f"field_{number}", "x")]
    store.command("HSET", "tenant:acme:destination:des_1", *fields)
    await _apply(store)
    store.command("DEL", "tenant:{acme}:destination:des_1")

    async with store.coordinator() as coordinator:
        found = await coordinator.verify(VerifyRequest(full=True))

    differences = [text for check in found.checks for text in check.differences]
    assert differences == ["tenant:{acme}:destination:des_1 is missing"]


async def test_a_destination_named_by_the_id_of_its_tenant_is_not_taken_for_the_one_without(store: RedisStore) -> None:
    store.write({**a_legacy_tenant("acme"), b"tenant:acme:destination:": a_hash(id="acme", created_at=TEXT)})

    async with store.coordinator() as coordinator:
        with pytest.raises(DecisionNeeded):
            await coordinator.apply(ApplyRequest())
        (left,) = await coordinator.quarantined()

    assert left.key == "tenant:acme:destination:"
    assert b"tenant:{acme}:destination:" not in store.read()


async def test_a_summary_without_its_tenant_is_migrated(store: RedisStore) -> None:
    store.write({b"tenant:acme:destinations": Value("hash", {b"d": SUMMARY % b"d", b"id": SUMMARY % b"id"})})

    await _apply(store)

    assert set(_fields(store, "tenant:{acme}:destinations")) == {b"d", b"id"}


async def test_a_newer_record_is_kept_and_the_conflict_told(store: RedisStore) -> None:
    newer = a_hash(id="acme", created_at="1800000000000", updated_at="1800000000000", entity="tenant")
    store.write({**a_legacy_tenant("acme"), b"tenant:{acme}:tenant": newer})

    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())
        first, *_ = await coordinator.states()

    assert store.read()[b"tenant:{acme}:tenant"] == newer
    assert first.detail == "1 newer records were kept, and the old ones beside them not taken over"


async def test_a_destination_deleted_after_an_earlier_migration_does_not_come_back(store: RedisStore) -> None:
    # 001 ran long ago; des_1 was deleted since, its tombstone has expired, and the state of 001 was lost.
    store.write(
        {
            **a_legacy_tenant("acme", "des_1", "des_2"),
            b"tenant:{acme}:tenant": a_hash(id="acme", created_at=MS, entity="tenant"),
            b"tenant:{acme}:destinations": Value("hash", {b"des_2": SUMMARY % b"des_2"}),
            b"tenant:{acme}:destination:des_2": a_hash(id="des_2", created_at=LATER_MS, entity="destination"),
        }
    )

    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())
        first, *_ = await coordinator.states()

    assert b"tenant:{acme}:destination:des_1" not in store.read()
    assert "1 old records stay out" in first.detail


async def test_a_tenant_that_may_have_been_deleted_waits_for_a_person(store: RedisStore) -> None:
    # No release applied 002 without 001, so 001 was applied too, although that is not recorded any more.
    applied = a_hash(status="applied", applied_at="1795460096")
    store.write(
        {
            **a_legacy_tenant("gone"),
            **a_legacy_tenant("lost"),
            b"outpost:migration:002_timestamps": applied,
            b"outpost:migration:003_entity": applied,
        }
    )

    async with store.coordinator() as coordinator:
        with pytest.raises(DecisionNeeded):
            await coordinator.apply(ApplyRequest())
        assert b"tenant:{gone}:tenant" not in store.read()
        assert await coordinator.retry_quarantined(ApplyRequest(), ["tenant:lost"]) == 1
        assert await coordinator.accept_quarantined(ApplyRequest(), ["tenant:gone"], "deleted in spring") == 1
        await coordinator.apply(ApplyRequest())
        assert await coordinator.pending() == []

    assert b"tenant:{gone}:tenant" not in store.read()
    assert _fields(store, "tenant:{lost}:tenant")[b"created_at"] == MS


BROKEN: list[tuple[bytes, Value, str]] = [
    (b"tenant:string", Value("string", b"x"), "not a hash"),
    (b"tenant:a:destinations", Value("list", [b"x"]), "not a hash"),
    (b"tenant:a:destination:zset", Value("zset", {b"x": 1.0}), "not a hash"),
    (b"tenant:named", a_hash(id="otherwise", created_at=TEXT), "does not fit its name"),
    (b"tenant:nameless", a_hash(created_at=TEXT), "does not fit its name"),
    (b"tenant:a:destination:b", a_hash(id="c"), "does not fit its name"),
    (b"tenant:{a}:tenant", Value("string", b"x"), "not a hash"),
    (b"tenant:{a}:tenant", a_hash(id="a", created_at="yesterday"), "no time"),
    (b"tenant:{a}:tenant", a_hash(id="a", created_at="2025-02-30T00:00:00Z"), "no time"),
    (b"tenant:{a}:destination:b", a_hash(id="b", created_at=TEXT, updated_at="99999999999999999999"), "no time"),
    (b"tenant:{a}:destination:b", a_hash(id="b", created_at=MS, entity="gadget"), "no release wrote"),
    (b"tenant:{a}", a_hash(id="{a}", created_at=TEXT), "does not fit its name"),
    (b"tenant:\xff\xfe", Value("string", b"x"), "not a hash"),
    (b"tenant:large", a_hash(id="large", created_at=TEXT, blob="x" * 2_000_000), "too large"),
]


@pytest.mark.parametrize(("key", "value", "reason"), BROKEN)
async def test_what_cannot_be_understood_is_left_as_it_is_and_parks_the_migration(
    store: RedisStore, key: bytes, value: Value, reason: str
) -> None:
    store.write({**a_legacy_tenant("acme", "des_1"), key: value})

    async with store.coordinator() as coordinator:
        with pytest.raises(DecisionNeeded) as stopped:
            await coordinator.apply(ApplyRequest())
        (left, *_) = await coordinator.quarantined()
        states = [state.state for state in await coordinator.states()]
        (line,) = (await coordinator.status()).lines

    assert stopped.value.exit_code == 14
    assert reason in left.reason
    assert "parked" in states
    assert store.read()[key].content.items() >= value.content.items() if value.type == "hash" else True
    assert all(books.balanced for books in line.books)
    assert _fields(store, "tenant:{acme}:destination:des_1")[b"created_at"] == LATER_MS


@pytest.mark.parametrize(("key", "value", "reason"), BROKEN)
async def test_accepted_records_let_the_migration_end(
    single: RedisStore, key: bytes, value: Value, reason: str
) -> None:
    single.write({**a_legacy_tenant("acme", "des_1"), key: value})

    async with single.coordinator() as coordinator:
        with pytest.raises(DecisionNeeded):
            await coordinator.apply(ApplyRequest())
        await coordinator.accept_quarantined(ApplyRequest(), [], "known")
        await coordinator.apply(ApplyRequest())
        assert await coordinator.pending() == []
        found = await coordinator.verify(VerifyRequest(full=True))

    assert found.ok, found


async def test_a_record_that_was_mended_is_migrated_and_forgotten_by_the_quarantine(store: RedisStore) -> None:
    store.write({b"tenant:{a}:tenant": a_hash(id="a", created_at="yesterday")})

    async with store.coordinator() as coordinator:
        with pytest.raises(DecisionNeeded):
            await coordinator.apply(ApplyRequest())
        store.command("HSET", "tenant:{a}:tenant", "created_at", TEXT)
        await coordinator.apply(ApplyRequest())
        assert await coordinator.quarantined() == []

    assert _fields(store, "tenant:{a}:tenant")[b"created_at"] == MS


async def test_a_record_that_changed_since_it_was_looked_at_cannot_be_accepted(single: RedisStore) -> None:
    single.write({b"tenant:{a}:tenant": a_hash(id="a", created_at="yesterday")})

    async with single.coordinator() as coordinator:
        with pytest.raises(DecisionNeeded):
            await coordinator.apply(ApplyRequest())
        single.command("HSET", "tenant:{a}:tenant", "created_at", "tomorrow")

        with pytest.raises(DecisionNeeded, match="0 accepted; 1 not"):
            await coordinator.accept_quarantined(ApplyRequest(), [], "known")
        assert [record.accepted for record in await coordinator.quarantined()] == [""]


async def test_more_broken_records_than_allowed_stop_the_run_early(single: RedisStore) -> None:
    single.write({f"tenant:{number}".encode(): Value("string", b"x") for number in range(20)})

    async with single.coordinator() as coordinator:
        with pytest.raises(DecisionNeeded, match="more than 5 records"):
            await coordinator.apply(ApplyRequest(limits=Limits(quarantine_limit=5)))


async def test_what_is_quarantined_is_shown_without_secrets(single: RedisStore) -> None:
    key = "tenant:{a}:destination:b"
    single.write({key.encode(): a_hash(id="b", created_at="yesterday", credentials="hush", config="url")})

    async with single.coordinator() as coordinator:
        with pytest.raises(DecisionNeeded):
            await coordinator.apply(ApplyRequest())
        shown = "\n".join(await coordinator.show_quarantined(key))

    assert "created_at = yesterday" in shown
    assert "hush" not in shown


async def test_a_summary_of_thousands_is_copied_in_pieces(store: RedisStore) -> None:
    names = [f"des_{number}" for number in range(3_000)]
    content = {name.encode(): SUMMARY % name.encode() for name in names}
    store.write({**a_legacy_tenant("acme"), b"tenant:acme:destinations": Value("hash", content)})

    await _apply(store)

    assert store.read()[b"tenant:{acme}:destinations"].content == content
    assert _fields(store, "tenant:{acme}:tenant")[b"created_at"] == MS


async def test_a_full_verification_looks_at_each_new_record_once_with_its_old_one_or_without(store: RedisStore) -> None:
    """The digest of the new records is the same whether the old ones are still there, and none is counted twice."""
    store.write(
        {**a_legacy_tenant("acme", "des_1", "destinations"), **a_legacy_tenant("a:b", "d:1"), **a_legacy_tenant("x}")}
    )
    await _apply(store)
    store.write({b"tenant:{new}:tenant": a_hash(id="new", entity="tenant", created_at="1746507600120")})

    async def verified() -> tuple[str, list[int]]:
        async with store.coordinator() as coordinator:
            found = await coordinator.verify(VerifyRequest(full=True))
        assert found.ok, found
        copies, times, entities = found.checks[-3:]
        return copies.note.rpartition("digest of all new records ")[2], [times.compared, entities.compared]

    beside_the_old = await verified()
    for key in store.read():
        if key.startswith(b"tenant:") and not key.startswith(b"tenant:{"):
            store.command("DEL", key)
    by_themselves = await verified()

    assert beside_the_old == by_themselves
    assert beside_the_old[1] == [7, 7]  # four tenants and three destinations
