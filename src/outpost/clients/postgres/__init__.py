"""Postgres over asyncpg: connection strings as Go programs write them, one tree of errors, times that are bounded.

    target = Target.parse("postgres://user:password@db.example.com/outpost?pool_max_conns=20")
    async with Pool(target) as pool, pool.connection() as connection:
        rows = await connection.fetch("SELECT id FROM events WHERE tenant_id = $1", "acme")

asyncpg is imported when something connects, because that takes a tenth of a second.
"""

from outpost.clients.postgres.connection import Connection, Row, connect
from outpost.clients.postgres.errors import (
    AccessDenied,
    ConstraintViolated,
    DatabaseNotFound,
    DataRejected,
    PermissionDenied,
    PostgresError,
    StatementFailed,
    TimedOut,
    TransactionAborted,
    Unavailable,
)
from outpost.clients.postgres.pool import Pool
from outpost.clients.postgres.target import InvalidTarget, Target
from outpost.clients.postgres.tls import check_tls_files

__all__ = [
    "AccessDenied",
    "Connection",
    "ConstraintViolated",
    "DataRejected",
    "DatabaseNotFound",
    "InvalidTarget",
    "PermissionDenied",
    "Pool",
    "PostgresError",
    "Row",
    "StatementFailed",
    "Target",
    "TimedOut",
    "TransactionAborted",
    "Unavailable",
    "check_tls_files",
    "connect",
]
