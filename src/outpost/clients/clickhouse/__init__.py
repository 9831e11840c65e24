"""ClickHouse over its HTTP interface: rows as JSON lines through msgspec, one tree of errors.

    clickhouse = ClickHouse(transport, url="http://127.0.0.1:8123", user="outpost", password="…", database="outpost")
    await clickhouse.insert("events", [Event(id="1", topic="user.created")])
    events = await clickhouse.select("SELECT id, topic FROM events WHERE id = {id:String}", {"id": "1"}, row=Event)

The transport sends one POST; any HTTP client can be made into one in a few lines.
"""

from outpost.clients.clickhouse.client import ClickHouse
from outpost.clients.clickhouse.errors import (
    AccessDenied,
    ClickHouseError,
    DatabaseNotFound,
    DataRejected,
    PermissionDenied,
    ResultTooLarge,
    StatementFailed,
    TableNotFound,
    TimedOut,
    Unavailable,
)
from outpost.clients.clickhouse.text import Value, literal, quoted_identifier
from outpost.clients.clickhouse.transport import Answer, NoAnswer, Transport

__all__ = [
    "AccessDenied",
    "Answer",
    "ClickHouse",
    "ClickHouseError",
    "DataRejected",
    "DatabaseNotFound",
    "NoAnswer",
    "PermissionDenied",
    "ResultTooLarge",
    "StatementFailed",
    "TableNotFound",
    "TimedOut",
    "Transport",
    "Unavailable",
    "Value",
    "literal",
    "quoted_identifier",
]
