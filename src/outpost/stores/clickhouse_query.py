"""Writing and running a query: its conditions, its parameters, its rows."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from outpost.clients.clickhouse import ClickHouse, Value
from outpost.ports.log_store import TimeWindow
from outpost.stores.clickhouse_values import last_millisecond, next_millisecond, storable
from outpost.stores.page_rows import PAGE_BYTES

Row = TypeVar("Row")


class Statement(NamedTuple):
    """A statement and its parameters, written `{name:Type}` in it."""

    sql: str
    parameters: Mapping[str, Value]


class Conditions:
    """The WHERE clause of a query, with its parameters."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self.parameters: dict[str, Value] = {}

    @property
    def sql(self) -> str:
        return " AND ".join(self._conditions or ["true"])

    def copy(self) -> "Conditions":
        copied = Conditions()
        copied._conditions = [*self._conditions]
        copied.parameters = {**self.parameters}
        return copied

    def add(self, condition: str, /, **parameters: tuple[str, Value]) -> None:
        """Add a condition, in which `{name}` stands for each parameter, given with its type."""
        places: dict[str, str] = {}
        for name, (type_, value) in parameters.items():
            unique = f"{name}_{len(self.parameters)}"
            self.parameters[unique] = value
            places[name] = f"{{{unique}:{type_}}}"
        self._conditions.append(condition.format(**places))

    def add_any_of(self, column: str, texts: Sequence[str] | None) -> None:
        """Let `column` have one of `texts`; None is no condition."""
        if texts is None:
            return
        wanted = storable(texts)
        if len(wanted) == 1:
            self.add(f"{column} = {{text}}", text=("String", wanted[0]))
        else:  # a subquery: the server uses no index for an array
            self.add(f"{column} IN (SELECT arrayJoin({{texts}}))", texts=("Array(String)", wanted))

    def add_overlap(self, column: str, texts: Sequence[str] | None) -> None:
        """Let `column`, an array, have one of `texts` among its elements; None is no condition."""
        if texts is not None:
            self.add(f"hasAny({column}, {{texts}})", texts=("Array(String)", storable(texts)))

    def add_window(self, column: str, window: TimeWindow) -> None:
        """Let `column`, an instant, lie in a window."""
        for operator, instant, whole in (
            (">=", window.gte, next_millisecond),
            ("<=", window.lte, last_millisecond),
            (">", window.gt, last_millisecond),
            ("<", window.lt, next_millisecond),
        ):
            if instant is not None:
                condition = f"{column} {operator} fromUnixTimestamp64Milli({{instant}})"
                self.add(condition, instant=("Int64", whole(instant)))


def room_for(sql: str) -> dict[str, str]:
    """Return the setting under which a server takes a statement that may be longer than its default allows."""
    return {"max_query_size": str(max(262_144, len(sql.encode()) + 1))}


async def select(
    clickhouse: ClickHouse, statement: Statement, row: type[Row], *, max_bytes: int = PAGE_BYTES
) -> list[Row]:
    """Return the rows of a statement. Text in them that is not UTF-8 is mended: it must not spoil the other rows."""
    settings = {**room_for(statement.sql), "output_format_json_validate_utf8": "1"}
    return await clickhouse.select(statement.sql, statement.parameters, row=row, settings=settings, max_bytes=max_bytes)
