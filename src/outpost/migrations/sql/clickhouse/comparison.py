"""Is every kept pair of event and destination in the list of the event?

The full comparison makes, month by month, an order-independent 128-bit digest of the kept pairs and of the same pairs
as the events now hold them; pairs are listed only where the two differ.
"""

import random
from collections.abc import Sequence

import msgspec

from outpost.migrations.line import VerifyRequest
from outpost.migrations.report import Check
from outpost.migrations.sql.clickhouse.catalog import KEPT_EVENT_DESTINATIONS, Catalog
from outpost.migrations.sql.clickhouse.names import Names
from outpost.migrations.sql.clickhouse.server import Server

_LISTED = 20
_SECONDS = 600.0
_MONTHS = f"SELECT DISTINCT toYYYYMM(event_time) AS month FROM {{{KEPT_EVENT_DESTINATIONS}}} ORDER BY month"
_POPULATION = f"SELECT uniqExact(event_time, event_id, destination_id) AS count FROM {{{KEPT_EVENT_DESTINATIONS}}}"

# Attempts may be older than their event's row, or outlive it: pairs without an event have nothing to be compared with.
_JOINED = f"""
  FROM (SELECT event_time, event_id, groupUniqArray(destination_id) AS kept
          FROM {{{KEPT_EVENT_DESTINATIONS}}} WHERE $kept GROUP BY event_time, event_id) AS pairs
 INNER JOIN (SELECT event_time, event_id, groupUniqArrayArray(matched_destination_ids) AS now
          FROM {{events}} WHERE $events GROUP BY event_time, event_id) AS event
 USING (event_time, event_id)"""
_IN_MONTH = "toYYYYMM(event_time) = {month:UInt32}"
_CHOSEN = f"""
(event_time, event_id) IN (
    SELECT event_time, event_id FROM {{{KEPT_EVENT_DESTINATIONS}}}
     ORDER BY sipHash64(event_id, destination_id, {{seed:UInt64}}) LIMIT {{sample:UInt64}})"""
_DIGESTS = f"""
SELECT sum(length(kept)) AS pairs, sum(length(arrayIntersect(kept, now))) AS found,
       toString(groupBitXorArray(arrayMap(d -> reinterpretAsUInt128(sipHash128(event_id, d)), kept))) AS wanted_digest,
       toString(groupBitXorArray(
           arrayMap(d -> reinterpretAsUInt128(sipHash128(event_id, d)), arrayIntersect(kept, now)))) AS found_digest
{_JOINED}"""
_LISTING = f"""
SELECT event_id, arrayJoin(arrayFilter(d -> NOT has(now, d), kept)) AS destination_id
{_JOINED} ORDER BY event_id, destination_id LIMIT {_LISTED}"""


class _Month(msgspec.Struct, frozen=True):
    month: int


class _Count(msgspec.Struct, frozen=True):
    count: int


class _Digests(msgspec.Struct, frozen=True):
    pairs: int
    found: int
    wanted_digest: str
    found_digest: str

    @property
    def different(self) -> int:
        missing = self.pairs - self.found
        return missing or int(self.wanted_digest != self.found_digest)


class _Pair(msgspec.Struct, frozen=True):
    event_id: str
    destination_id: str


class Comparison:
    """Compares the list of each event with what was kept when the list was made."""

    def __init__(self, server: Server, names: Names) -> None:
        self._server = server
        self._names = names

    async def check(self, catalog: Catalog, request: VerifyRequest) -> Check:
        name = "clickhouse: matched_destination_ids"
        if not catalog.has(KEPT_EVENT_DESTINATIONS):
            return Check(
                name=name, note="nothing of the time before 000002 is kept, so there is nothing to compare with"
            )
        if not catalog.has_column("events", "matched_destination_ids"):
            return Check(name=name, different=1, differences=["events.matched_destination_ids is missing"])
        (population,) = await self._server.select(self._names.render(_POPULATION), row=_Count, seconds=_SECONDS)
        compared, different, listed = await (self._full() if request.full else self._sample(request))
        return Check(name=name, compared=compared, population=population.count, different=different, differences=listed)

    async def _full(self) -> tuple[int, int, Sequence[str]]:
        compared = different = 0
        listed: list[str] = []
        for month in await self._server.select(self._names.render(_MONTHS), row=_Month, seconds=_SECONDS):
            asked = {"month": month.month}
            found = await self._digests(_IN_MONTH, asked)
            compared += found.pairs
            different += found.different
            if found.different and len(listed) < _LISTED:
                listed += await self._listing(_IN_MONTH, asked)
        return compared, different, listed[:_LISTED]

    async def _sample(self, request: VerifyRequest) -> tuple[int, int, Sequence[str]]:
        seed = request.seed if request.seed is not None else random.getrandbits(32)
        asked = {"seed": seed, "sample": request.sample}
        found = await self._digests(_CHOSEN, asked)
        return found.pairs, found.different, await self._listing(_CHOSEN, asked) if found.different else []

    async def _digests(self, which: str, asked: dict[str, int]) -> _Digests:
        (found,) = await self._server.select(self._query(_DIGESTS, which), asked, row=_Digests, seconds=_SECONDS)
        return found

    async def _listing(self, which: str, asked: dict[str, int]) -> Sequence[str]:
        pairs = await self._server.select(self._query(_LISTING, which), asked, row=_Pair, seconds=_SECONDS)
        return [f"event {pair.event_id} does not name {pair.destination_id}" for pair in pairs]

    def _query(self, query: str, which: str) -> str:
        return self._names.render(query.replace("$kept", which).replace("$events", which))
