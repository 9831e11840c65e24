"""What the server has taken on and not finished: mutations, alters on other replicas, statements for a cluster."""

import asyncio
from collections.abc import Sequence

import msgspec

from outpost.migrations.errors import MigrationError
from outpost.migrations.report import Progress
from outpost.migrations.run import Run
from outpost.migrations.sql.clickhouse.names import Names
from outpost.migrations.sql.clickhouse.server import Server

_TABLES = "database = currentDatabase() AND has({tables:Array(String)}, table)"
_SERVER = f"""
SELECT concat('mutation ', mutation_id, ' of ', table, ' (', command, '), ', toString(parts_to_do), ' parts to do')
           AS what, latest_fail_reason AS failure,
       concat('KILL MUTATION WHERE database = currentDatabase() AND mutation_id = ''', mutation_id, '''') AS remedy
  FROM system.mutations WHERE {_TABLES} AND NOT is_done
 UNION ALL
SELECT concat(type, ' of ', table, ' on replica ', replica_name), '', ''
  FROM system.replication_queue WHERE {_TABLES} AND type IN ('ALTER_METADATA', 'MUTATE_PART')"""
_CLUSTER = """
SELECT concat(entry, ' on ', ifNull(host, '?')) AS what, '' AS failure, '' AS remedy
  FROM system.distributed_ddl_queue
 WHERE cluster = {cluster:String} AND status != 'Finished'
   AND arrayExists(table -> position(query, table) > 0, {tables:Array(String)})"""

_LAG = f"SELECT max(absolute_delay) AS seconds FROM system.replicas WHERE {_TABLES}"


class _Lag(msgspec.Struct, frozen=True):
    seconds: int


class Unfinished(msgspec.Struct, frozen=True):
    """One thing in the works."""

    what: str
    failure: str
    remedy: str


class Backlog:
    """The unfinished work on the tables of a deployment."""

    def __init__(self, server: Server, names: Names, *, poll_seconds: float = 0.2) -> None:
        self._server = server
        self._names = names
        self._tables = [names.full("events"), names.full("attempts")]
        self.poll_seconds = poll_seconds

    async def unfinished(self) -> Sequence[Unfinished]:
        found = await self._server.select(_SERVER, {"tables": self._tables}, row=Unfinished)
        if self._names.cluster:
            asked = {"tables": self._tables, "cluster": self._names.cluster}
            found += await self._server.select(_CLUSTER, asked, row=Unfinished)
        return found

    async def replicas_caught_up(self, run: Run, *, migration: str) -> None:
        """Wait until no replica lags by more than the run allows."""
        while True:
            (lag,) = await self._server.select(_LAG, {"tables": self._tables}, row=_Lag)
            if lag.seconds <= run.limits.max_replica_lag_seconds:
                return
            reason = f"a replica lags {lag.seconds} s"
            run.report(Progress(store="clickhouse", migration=migration, throttled=reason))
            await asyncio.sleep(self.poll_seconds)
            await run.ready()

    async def empty(self, run: Run, *, migration: str) -> None:
        """Wait until nothing is unfinished.

        Raises:
            MigrationError: A mutation fails; the server repeats it until someone ends it.
        """
        told = ""
        while unfinished := await self.unfinished():
            for item in unfinished:
                if item.failure:
                    raise MigrationError(
                        f"{item.what} fails: {item.failure}; the server goes on trying. Remove the cause, or end it "
                        f"with {item.remedy}, then run again: outpost migrate apply"
                    )
            if unfinished[0].what != told:
                told = unfinished[0].what
                run.tell("waiting", store="clickhouse", migration=migration, reason=told)
            await asyncio.sleep(self.poll_seconds)  # the server sends no word when it is done
            await run.ready()
