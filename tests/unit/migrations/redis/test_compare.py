"""Whether an old record and its new one agree, and if not, whether that is as it should be."""

import pytest

from outpost.migrations.redis.compare import Around, Verdict, agree, essence, is_made_of, judge, kept_differences
from outpost.migrations.redis.families import Kind, Named
from outpost.migrations.redis.reading import Stored

TEXT, MS = b"2025-05-06T12:00:00.12+07:00", b"1746507600120"
DESTINATION = Named(Kind.OLD_DESTINATION, b"tenant:t:destination:d", b"t", b"d")
TENANT = Named(Kind.OLD_TENANT, b"tenant:t", b"t")
SUMMARY = Named(Kind.OLD_SUMMARY, b"tenant:t:destinations", b"t")
LISTED = Around(tenant_exists=True, listed_before=True, listed_now=True)
NONE = Stored("none")


def a_record(ttl: int = -1, /, **fields: bytes) -> Stored:
    content = {name.encode(): value for name, value in fields.items()}
    return Stored("hash", ttl, len(content), 100, content)


OLD = a_record(id=b"d", type=b"webhook", created_at=TEXT)
NEW = a_record(id=b"d", type=b"webhook", created_at=MS, entity=b"destination")


def made(**changed: bytes) -> Stored:
    """Return what the migrations make of `OLD`, with changes."""
    made = {"id": b"d", "type": b"webhook", "created_at": MS, "outpost:kept:created_at": TEXT, "entity": b"destination"}
    return a_record(**{**made, **changed})


@pytest.mark.parametrize(
    ("old", "new", "around", "verdict"),
    [
        (OLD, NEW, LISTED, "equal"),
        (OLD, a_record(id=b"d", type=b"webhook", created_at=TEXT), LISTED, "equal"),
        (OLD, a_record(id=b"d", type=b"other", created_at=MS), LISTED, "different"),
        (OLD, a_record(id=b"d", created_at=MS), LISTED, "different"),
        (OLD, a_record(id=b"d", type=b"webhook", created_at=b"1746507600121"), LISTED, "different"),
        (OLD, a_record(id=b"d", type=b"other", created_at=MS, updated_at=b"1746507600121"), LISTED, "changed"),
        (OLD, a_record(id=b"d", type=b"webhook", created_at=MS, deleted_at=b"1"), LISTED, "changed"),
        (OLD, a_record(5_000, id=b"d", type=b"webhook", created_at=MS), LISTED, "different"),
        (a_record(9_000, deleted_at=TEXT), a_record(8_500, deleted_at=TEXT), Around(), "equal"),
        (a_record(9_000, deleted_at=TEXT), a_record(deleted_at=TEXT), Around(), "different"),
        (a_record(9_000, deleted_at=TEXT), a_record(id=b"d", created_at=MS), LISTED, "changed"),
        (OLD, NEW, Around(tenant_exists=True, listed_before=True), "different"),
        (OLD, NONE, LISTED, "different"),
        (OLD, NONE, Around(tenant_exists=True, listed_before=True), "deleted"),
        (OLD, NONE, Around(tenant_exists=True), "different"),
        (OLD, NONE, Around(tenant_exists=True, ours=False), "unknown"),
        (OLD, NONE, Around(), "unknown"),
        (a_record(1_000, deleted_at=TEXT), NONE, Around(), "equal"),
        (NONE, NEW, LISTED, "equal"),
        (OLD, Stored("string"), LISTED, "different"),
        (OLD, a_record(id=b"d", type=b"other", created_at=MS), Around(ours=False), "changed"),
    ],
)
def test_each_pair_has_its_verdict(old: Stored, new: Stored, around: Around, verdict: Verdict) -> None:
    assert judge(DESTINATION, old, new, around)[0] == verdict


def test_a_tenant_without_new_record_may_have_been_deleted() -> None:
    assert judge(TENANT, OLD, NONE, Around())[0] == "unknown"


def test_a_summary_goes_with_the_last_destination_of_its_tenant() -> None:
    assert judge(SUMMARY, a_record(d=b"{}"), NONE, Around(tenant_exists=True))[0] == "deleted"
    assert judge(SUMMARY, a_record(d=b"{}"), NONE, Around())[0] == "unknown"
    assert judge(SUMMARY, a_record(d=b"{}"), a_record(d=b"{}"), Around())[0] == "equal"
    assert judge(SUMMARY, a_record(d=b"{}"), a_record(d=b'{"a":1}'), Around())[0] == "changed"
    assert judge(SUMMARY, a_record(d=b"{}"), a_record(d=b"x"), Around())[0] == "different"


def test_a_time_is_held_to_the_text_it_was_made_from() -> None:
    kept = {b"outpost:kept:created_at": TEXT}

    assert not kept_differences({**kept, b"created_at": MS})
    assert kept_differences({**kept, b"created_at": b"1746507600121"}) == [f"created_at is not {TEXT.decode()}"]
    assert kept_differences({**kept, b"created_at": b"1746507600119"})
    # Created again by a server, which writes the time of change too.
    assert not kept_differences({**kept, b"created_at": b"1800000000000", b"updated_at": b"1800000000000"})


@pytest.mark.parametrize(
    ("named", "old", "new", "plainly"),
    [
        (DESTINATION, OLD, NEW, True),
        (DESTINATION, OLD, a_record(id=b"d", type=b"other", created_at=MS), False),
        (DESTINATION, OLD, a_record(5_000, id=b"d", type=b"webhook", created_at=MS), False),
        (DESTINATION, OLD, NONE, False),
        (SUMMARY, a_record(d=b"{}"), a_record(d=b"{}"), True),
        (SUMMARY, a_record(d=b"{}"), a_record(d=b'{"disabled":true}'), False),
        (SUMMARY, a_record(d=b"{}"), a_record(d=b"{}", e=b"{}"), False),
    ],
)
def test_records_agree_only_if_nothing_has_to_be_judged(named: Named, old: Stored, new: Stored, plainly: bool) -> None:
    assert agree(named, old, new) == plainly


def test_a_record_is_made_of_its_old_one_if_it_is_what_the_migrations_make_of_that() -> None:
    assert is_made_of(DESTINATION, OLD, made())
    assert is_made_of(SUMMARY, a_record(d=b"{}"), a_record(d=b"{}"))
    assert is_made_of(TENANT, a_record(9_000, deleted_at=TEXT), a_record(8_500, deleted_at=TEXT, entity=b"tenant"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(OLD, made(created_at=b"1746507600121"), id="another time"),
        pytest.param(OLD, made(**{"outpost:kept:created_at": TEXT + b" "}), id="another text kept"),
        pytest.param(OLD, made(entity=b"tenant"), id="another entity"),
        pytest.param(OLD, made(type=b"other"), id="changed since"),
        pytest.param(OLD, made(updated_at=MS), id="a field more"),
        pytest.param(OLD, NEW, id="no text kept"),
        pytest.param(a_record(id=b"d", created_at=b"soon"), a_record(id=b"d", created_at=b"soon"), id="no time"),
        pytest.param(OLD, Stored("string"), id="no hash"),
        pytest.param(OLD, NONE, id="gone"),
    ],
)
def test_a_record_that_is_anything_else_is_not_made_of_its_old_one(old: Stored, new: Stored) -> None:
    assert not is_made_of(DESTINATION, old, new)


def test_the_essence_of_a_record_is_what_a_migration_must_not_change() -> None:
    other_order = Stored("hash", -1, 3, 100, dict(sorted(OLD.fields.items(), reverse=True)))

    assert essence(OLD, is_summary=False) == essence(NEW, is_summary=False) == essence(other_order, is_summary=False)
    for changed in (
        a_record(id=b"d", type=b"other", created_at=TEXT),
        a_record(id=b"d", type=b"webhook", created_at=b"1746507600121"),
        a_record(id=b"d", kind=b"webhook", created_at=TEXT),
        a_record(id=b"d", type=b"webhook"),
        a_record(id=b"d1:t", type=b"webhook", created_at=TEXT),
        NONE,
    ):
        assert essence(changed, is_summary=False) != essence(OLD, is_summary=False)


def test_every_field_of_a_summary_belongs_to_its_essence() -> None:
    summary = a_record(entity=b"{}", created_at=TEXT)

    assert essence(a_record(created_at=TEXT), is_summary=True) != essence(summary, is_summary=True)
    assert essence(a_record(entity=b"{}", created_at=MS), is_summary=True) != essence(summary, is_summary=True)
