"""Stores that real releases of the original wrote and either program brought up to date, read as it answered them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import msgspec
import pytest

from outpost.api import render
from outpost.clients.postgres import Pool
from outpost.conformance.paging import walk_there_and_back
from outpost.domain.event import Event
from outpost.domain.identifiers import AttemptId, EventId, TenantId
from outpost.ports.log_store import AttemptQuery, EventQuery, LoggedAttempt
from outpost.ports.paging import PageRequest, Position
from outpost.stores.log.postgres import PostgresLogStore
from tests.migrations.postgres.databases import PostgresDatabase
from tests.support.postgres import PostgresServer
from tests.support.postgres_log import SNAPSHOTS, opened, restore
from tests.support.recorded_answers import Read, reads_of

RELEASES = ["v0.5.1", "v0.12.0", "v1.1.0"]
WHOLE = PageRequest(limit=1000)


class Recording:
    """One store, and the answers recorded for it."""

    def __init__(self, pool: Pool, reads: Sequence[Read], *, fills_matches: bool) -> None:
        """Make it.

        Args:
            fills_matches: Old events were told whom they matched; the original's migrations do not do that.
        """
        self.store = PostgresLogStore(pool)
        self.fills_matches = fills_matches
        self._pool = pool
        self._reads = reads

    def reads(self, what: str, *, status: int = 200) -> list[Read]:
        found = [read for read in self._reads if (read["what"], read["status"]) == (what, status)]
        assert found
        return found

    async def ids(self, query: str, *parameters: object) -> list[str]:
        """Return what is in the tables, read without a page."""
        async with self._pool.connection() as connection:
            return [row[0] for row in await connection.fetch(query, *parameters)]

    def answer(self, recorded: Any, event: Event) -> Any:
        """Return what is to be answered about an event, of which something else may have been recorded."""
        if not self.fills_matches:
            return recorded
        assert recorded["matched_destination_ids"] == []
        return recorded | {"matched_destination_ids": sorted(event.matched_destination_ids)}


@pytest.fixture(scope="module", params=["the original", "ours"])
def migrated_by(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module", params=RELEASES)
def restored(
    request: pytest.FixtureRequest, migrated_by: str, postgres: PostgresServer
) -> Iterator[tuple[str, Sequence[Read], bool]]:
    release, ours = request.param, migrated_by == "ours"
    with postgres.fresh_database() as url:
        restore(url, SNAPSHOTS / (f"{release}.sql.gz" if ours else f"{release}-migrated.sql.gz"))
        if ours:
            asyncio.run(PostgresDatabase(url).apply())
        yield url, reads_of(release, "answers-after-original"), ours and release != "v1.1.0"


@pytest.fixture
async def recording(restored: tuple[str, Sequence[Read], bool]) -> AsyncIterator[Recording]:
    url, reads, fills_matches = restored
    async with opened(url) as pool:
        yield Recording(pool, reads, fills_matches=fills_matches)


async def test_single_events_are_answered_as_recorded(recording: Recording) -> None:
    for read in recording.reads("event"):
        event = await recording.store.event(EventId(read["event"]), tenant_id=TenantId(read["tenant"]))
        assert event is not None
        assert _shown(render.event(event)) == recording.answer(read["body"], event)
    for read in recording.reads("event", status=404):
        assert await recording.store.event(EventId(read["event"]), tenant_id=TenantId(read["tenant"])) is None


async def test_single_attempts_are_answered_as_recorded(recording: Recording) -> None:
    for read in recording.reads("attempt"):
        attempt = await recording.store.attempt(AttemptId(read["attempt"]), tenant_id=TenantId(read["tenant"]))
        assert attempt is not None
        assert _shown_attempt(attempt) == _with_matches(read["body"], attempt)


async def test_events_of_a_tenant_are_answered_as_recorded(recording: Recording) -> None:
    for read in recording.reads("events"):
        found = await recording.store.events(EventQuery(page=WHOLE, tenant_ids=[read["tenant"]]))
        expected = map(recording.answer, read["body"]["models"], found.items)
        assert [_shown(render.event(event)) for event in found.items] == list(expected)
        assert len(found.items) == len(read["body"]["models"])


async def test_attempts_of_a_tenant_are_answered_as_recorded_and_none_is_missing(recording: Recording) -> None:
    recorded = {model["id"]: model for read in recording.reads("attempts") for model in read["body"]["models"]}
    tenants = {read["tenant"] for read in recording.reads("attempts")}
    for tenant in tenants:
        found = (await recording.store.attempts(AttemptQuery(page=WHOLE, tenant_ids=[tenant]))).items
        in_table = "SELECT id FROM attempts WHERE tenant_id = $1 ORDER BY time DESC, id DESC"
        assert [logged.attempt.id for logged in found] == await recording.ids(in_table, tenant)
        for logged in found:
            answer = recorded.pop(logged.attempt.id, None)  # the original loses some at the borders of its pages
            assert answer is None or _shown_attempt(logged) == _with_matches(answer, logged)
    assert not recorded


async def test_events_are_selected_by_topic_as_recorded(recording: Recording) -> None:
    for read in recording.reads("events_by_topic"):
        query = EventQuery(page=WHOLE, tenant_ids=[read["tenant"]], topics=[read["topic"]])
        assert [event.id for event in (await recording.store.events(query)).items] == read["body"]["models"]


async def test_events_are_selected_by_destination_as_recorded(recording: Recording) -> None:
    attempted = "SELECT DISTINCT event_id FROM attempts WHERE tenant_id = $1 AND destination_id = $2"
    for read in recording.reads("events_by_destination"):
        query = EventQuery(page=WHOLE, tenant_ids=[read["tenant"]], destination_ids=[read["destination"]])
        found = [event.id for event in (await recording.store.events(query)).items]
        if recording.fills_matches:  # the original finds no old event by its destination
            assert read["body"]["models"] == []
            assert set(found) >= set(await recording.ids(attempted, read["tenant"], read["destination"]))
        else:
            assert found == read["body"]["models"]


@pytest.mark.parametrize(
    ("what", "column", "condition"),
    [
        ("attempts_by_event", "event", "event_ids"),
        ("attempts_by_topic", "topic", "topics"),
        ("attempts_by_destination", "destination", "destination_ids"),
        ("attempts_by_status", "status_filter", "status"),
    ],
)
async def test_attempts_are_selected_as_recorded(recording: Recording, what: str, column: str, condition: str) -> None:
    for read in recording.reads(what):
        if read.get("page", 0) > 0:  # what the original lost before it depends on its cursor
            continue
        selection: dict[str, Any] = {condition: read[column] if condition == "status" else [read[column]]}
        query = AttemptQuery(page=PageRequest(limit=100), tenant_ids=[read["tenant"]], **selection)
        found = (await recording.store.attempts(query)).items
        assert [logged.attempt.id for logged in found] == read["body"]["models"]


async def test_every_event_is_on_one_page_of_nine(recording: Recording) -> None:
    there, back = await walk_there_and_back(
        lambda page: recording.store.events(EventQuery(page=page, tenant_ids=["acme"])),
        lambda event: Position(event.time, event.id),
        limit=9,
        direction="desc",
    )

    recorded = [id_ for read in recording.reads("events_paged") for id_ in read["body"]["models"]]
    in_table = await recording.ids("SELECT id FROM events WHERE tenant_id = 'acme' ORDER BY time DESC, id DESC")
    assert [event.id for event in _flat(there)] == [event.id for event in _flat(back)] == in_table == recorded


@pytest.mark.parametrize("direction", ["asc", "desc"])
async def test_every_attempt_is_on_one_page_of_nine(recording: Recording, direction: Any) -> None:
    there, back = await walk_there_and_back(
        lambda page: recording.store.attempts(AttemptQuery(page=page, tenant_ids=["acme"])),
        lambda logged: Position(logged.attempt.time, logged.attempt.id),
        limit=9,
        direction=direction,
    )

    recorded = {id_ for read in recording.reads("attempts_paged") for id_ in read["body"]["models"]}
    in_table = await recording.ids(
        f"SELECT id FROM attempts WHERE tenant_id = 'acme' ORDER BY time {direction}, id {direction}"
    )
    found = [logged.attempt.id for logged in _flat(there)]
    assert found == [logged.attempt.id for logged in _flat(back)] == in_table
    assert recorded < set(found)  # the original lost those that share a millisecond with the last of a page


def _flat(pages: Sequence[Sequence[Any]]) -> list[Any]:
    return [row for page in pages for row in page]


def _shown_attempt(logged: LoggedAttempt) -> Any:
    return _shown(render.attempt(logged, frozenset({"event.data", "response_data"})))


def _shown(shown: Any) -> Any:
    return json.loads(msgspec.json.encode(shown))


def _with_matches(answer: Any, logged: LoggedAttempt) -> Any:
    """Return a recorded attempt with what ours adds to the original's: whom the event matched."""
    event: Event = logged.event
    assert event.matched_destination_ids
    return answer | {"event": answer["event"] | {"matched_destination_ids": list(event.matched_destination_ids)}}
