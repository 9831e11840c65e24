"""What the name of a key can mean, and which of its meanings a record bears out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.migrations.redis.families import Kind, Named, Names, Sorter, meanings, meant, old_of

NAMES = Names()
IDS = st.text(alphabet="ab:{}", max_size=6).map(str.encode) | st.sampled_from(
    [b"x:destination:y", b"x:destinations", b"destinations", b"tenant", b"}:tenant", b"{a}", b"a}:destination:b"]
)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (b"tenant:acme", "old_tenants"),
        (b"tenant:org:42", "old_tenants"),
        (b"tenant:a{b}c", "old_tenants"),
        (b"tenant:acme:destinations", "old_summaries"),
        (b"tenant:acme:destination:des:1", "old_destinations"),
        (b"tenant:{acme}:tenant", "tenants"),
        (b"tenant:{a{b}c}:destination:d", "destinations"),
        (b"tenant:{acme}:destinations", "summaries"),
        (b"tenant:{acme}", "unclear"),
        (b"tenant:a:destination:b:destination:c", "unclear"),
        (b"tenant:{a}:destination:b}:tenant", "unclear"),
    ],
)
def test_a_name_with_one_meaning_is_sorted_without_a_look(key: bytes, kind: str) -> None:
    found = Sorter(NAMES, old=True).sort([key])

    assert len(getattr(found, kind)) == 1


def test_records_of_the_old_form_are_left_out_where_they_cannot_be() -> None:
    names = Names(b"dp_001:")
    found = Sorter(names, old=False).sort([b"dp_001:tenant:acme", names.tenant(b"acme")])

    assert found.tenants == [b"dp_001:tenant:{acme}:tenant"]
    assert not found.old_tenants


@given(tenant=IDS, destination=IDS)
def test_every_name_that_was_written_has_its_meaning_among_those_found(tenant: bytes, destination: bytes) -> None:
    written = [
        Named(Kind.OLD_TENANT, NAMES.old_tenant(tenant), tenant),
        Named(Kind.OLD_SUMMARY, NAMES.old_summary(tenant), tenant),
        Named(Kind.TENANT, NAMES.tenant(tenant), tenant),
        Named(Kind.SUMMARY, NAMES.summary(tenant), tenant),
        Named(Kind.DESTINATION, NAMES.destination(tenant, destination), tenant, destination),
    ]

    for named in written:
        assert named in meanings(named.key, NAMES, old=True)


@given(tenant=IDS, destination=IDS)
def test_a_record_is_never_taken_for_another_than_the_one_that_was_written(tenant: bytes, destination: bytes) -> None:
    old = b"tenant:" + tenant + b":destination:" + destination
    for key, fields, wanted in (
        (old, {b"id": destination}, Named(Kind.OLD_DESTINATION, old, tenant, destination)),
        (NAMES.tenant(tenant), {b"id": tenant}, Named(Kind.TENANT, NAMES.tenant(tenant), tenant)),
    ):
        found = meant(key, fields, NAMES, old=True)

        assert found is None or found == wanted or found.destination == fields[b"id"] or found.tenant == fields[b"id"]


@given(
    st.sampled_from([Kind.OLD_TENANT, Kind.OLD_SUMMARY, Kind.OLD_DESTINATION]), IDS, IDS, st.sampled_from(["", "dp:"])
)
def test_a_plain_new_name_tells_the_one_old_name_it_was_made_from(
    kind: Kind, tenant: bytes, destination: bytes, prefix: str
) -> None:
    names = Names(prefix.encode())
    old_key = {
        Kind.OLD_TENANT: names.old_tenant(tenant),
        Kind.OLD_SUMMARY: names.old_summary(tenant),
        Kind.OLD_DESTINATION: b"tenant:" + tenant + b":destination:" + destination,
    }[kind]
    named = Named(kind, old_key, tenant, destination if kind is Kind.OLD_DESTINATION else b"")

    told = names.plain_old_of(names.new_of(named))

    if any(character in tenant + named.destination for character in b":{}") or named.destination == b"destinations":
        assert told is None
    else:
        assert told == old_key
        assert old_of(Sorter(NAMES, old=True).sort([old_key])) == [named]
