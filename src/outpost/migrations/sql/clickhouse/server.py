"""The database as this line uses it: errors say what an operator can do about them."""

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from outpost.clients.clickhouse import (
    AccessDenied,
    ClickHouse,
    ClickHouseError,
    DatabaseNotFound,
    PermissionDenied,
    Unavailable,
    Value,
)
from outpost.migrations.errors import MigrationError, Refused, Unreachable

_Row = TypeVar("_Row")

TABLE_IS_READ_ONLY = 242
_CLUSTER_DOES_NOT_EXIST = 701


class Server:
    """A client and where its address comes from. Every method raises a MigrationError."""

    def __init__(self, clickhouse: ClickHouse, *, database: str, address_origin: str) -> None:
        """Take a client.

        Args:
            address_origin: Which setting names the HTTP address, or how it was derived from one.
        """
        self.client = clickhouse
        self.database = database
        self._origin = address_origin

    @property
    def address(self) -> str:
        return self.client.address

    async def select(
        self, statement: str, parameters: Mapping[str, Value] | None = None, *, row: type[_Row], seconds: float = 30.0
    ) -> list[_Row]:
        with self.translated():
            return await self.client.select(statement, parameters, row=row, seconds=seconds)

    async def execute(self, statement: str) -> None:
        with self.translated():
            await self.client.execute(statement, settings=WAITING)

    async def insert(self, into: str, rows: Iterable[Any]) -> None:
        with self.translated():
            # When it returns the row is there, whatever the profile of the user says.
            await self.client.insert(into, rows, settings={"async_insert": "0", "insert_deduplicate": "0"})

    @contextmanager
    def translated(self, place: str = "") -> Generator[None]:
        """Turn errors of the client into those of migrations; `place` is where in a file they happened."""
        try:
            yield
        except ClickHouseError as error:
            raise self.translation(error, place) from None

    def translation(self, error: ClickHouseError, place: str = "") -> MigrationError:
        said = f"{place}: {error}" if place else str(error)
        kept = " What was done before is kept; run again: outpost migrate apply" if place else ""
        match error:
            case _ if error.code == TABLE_IS_READ_ONLY:
                return Refused(f"{said}. See SELECT * FROM system.replicas WHERE is_readonly.{kept}")
            case _ if error.code == _CLUSTER_DOES_NOT_EXIST:
                return Refused(f"{said}; CLICKHOUSE_CLUSTER must name one of system.clusters, or be empty.{kept}")
            case Unavailable():
                return Unreachable(f"{said} ({self._origin}).{kept}")
            case AccessDenied():
                return Refused(f"{said}; see CLICKHOUSE_USERNAME and CLICKHOUSE_PASSWORD")
            case DatabaseNotFound():
                return Refused(f"{said}; create it (CREATE DATABASE {self.database}) or set CLICKHOUSE_DATABASE")
            case PermissionDenied():
                return Refused(f"{said}; grant it to the user of CLICKHOUSE_USERNAME.{kept}")
            case _:
                return MigrationError(f"{said}.{kept}")


WAITING = {
    "alter_sync": "2",  # until every replica has it
    "mutations_sync": "2",
    "insert_deduplicate": "0",  # a block inserted once more must be newer than what stands between the two
    "async_insert": "0",
}
"""So that a statement has happened when it returns."""
