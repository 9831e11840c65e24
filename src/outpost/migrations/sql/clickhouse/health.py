"""What would stop or endanger a run, looked for before it begins."""

from collections.abc import Sequence

import msgspec

from outpost.migrations.report import Check
from outpost.migrations.sql.clickhouse import old_tables
from outpost.migrations.sql.clickhouse.catalog import read_catalog
from outpost.migrations.sql.clickhouse.names import Names
from outpost.migrations.sql.clickhouse.server import Server
from outpost.migrations.sql.script import Script

_REPLICAS = """
SELECT table, replica_name AS replica, is_readonly OR is_session_expired AS readonly,
       total_replicas AS total, active_replicas AS active
  FROM system.replicas WHERE database = currentDatabase() AND has({tables:Array(String)}, table)"""
_SHARDS = """
SELECT count() AS hosts, uniqExact(shard_num) AS shards FROM system.clusters WHERE cluster = {cluster:String}"""
_LARGEST_PARTITION = """
SELECT max(size) AS bytes FROM (
    SELECT sum(bytes_on_disk) AS size FROM system.parts
     WHERE active AND database = currentDatabase() AND table = {table:String} GROUP BY partition_id)"""
_FREE = "SELECT sum(unreserved_space) AS bytes FROM system.disks"
_GROWTH = 1.2


class _Replica(msgspec.Struct, frozen=True):
    table: str
    replica: str
    readonly: int
    total: int
    active: int


class _Shards(msgspec.Struct, frozen=True):
    hosts: int
    shards: int


class _Bytes(msgspec.Struct, frozen=True):
    bytes: int


class Health:
    """Looks at a server for the tables of one deployment."""

    def __init__(self, server: Server, names: Names) -> None:
        self._server = server
        self._names = names

    async def checks(self, pending: Sequence[Script]) -> Sequence[Check]:
        found = [await self._tables(), await self._replicas()]
        if self._names.cluster:
            found.append(await self._cluster())
        if any(_moves_rows(script) for script in pending):
            found.append(await self._disk())
        return found

    async def _tables(self) -> Check:
        foreign = old_tables.foreign(await read_catalog(self._server, self._names))
        return _check(
            "tables",
            [f"{self._names.full(table)} is a table of another program" for table in foreign],
            compared=1,
            repair="name another CLICKHOUSE_DATABASE or DEPLOYMENT_ID",
        )

    async def _replicas(self) -> Check:
        tables = [self._names.full(table) for table in ("events", "attempts")]
        replicas = await self._server.select(_REPLICAS, {"tables": tables}, row=_Replica)
        faults = [f"{each.table} is read-only on replica {each.replica}" for each in replicas if each.readonly]
        faults += [
            f"{each.total - each.active} of {each.total} replicas of {each.table} are inactive"
            for each in replicas
            if each.active < each.total
        ]
        return _check(
            "replicas",
            faults,
            compared=len(replicas),
            repair="start the replicas, or remove one that is gone with SYSTEM DROP REPLICA; a read-only one is "
            "restored with SYSTEM RESTORE REPLICA",
        )

    async def _cluster(self) -> Check:
        (found,) = await self._server.select(_SHARDS, {"cluster": self._names.cluster}, row=_Shards)
        faults = [] if found.hosts else [f"there is no cluster {self._names.cluster}"]
        if found.shards > 1:
            faults = [f"cluster {self._names.cluster} has {found.shards} shards; data can be moved in one only"]
        return _check(
            "cluster", faults, compared=found.hosts, repair="name a cluster of one shard in CLICKHOUSE_CLUSTER"
        )

    async def _disk(self) -> Check:
        (needed,) = await self._server.select(_LARGEST_PARTITION, {"table": self._names.full("events")}, row=_Bytes)
        (free,) = await self._server.select(_FREE, row=_Bytes)
        short = free.bytes < needed.bytes * _GROWTH
        fault = f"{free.bytes} bytes are free, and rewriting the largest month of events takes {needed.bytes}"
        return _check("disk", [fault] if short else [], compared=1, repair="free disk space")


def _moves_rows(script: Script) -> bool:
    return any("windows" in statement.directives for statement in script.statements)


def _check(name: str, faults: Sequence[str], *, compared: int, repair: str) -> Check:
    return Check(
        name=f"clickhouse: {name}",
        compared=compared,
        different=len(faults),
        differences=faults,
        repair=repair if faults else "",
    )
