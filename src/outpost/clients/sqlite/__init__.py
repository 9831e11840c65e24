"""A SQLite file for asyncio programs: one writer with group commit, reading connections beside it."""

from outpost.clients.sqlite.database import Database
from outpost.clients.sqlite.errors import DatabaseBusy, DatabaseCorrupted, DatabaseError, DatabaseUnavailable
from outpost.clients.sqlite.file_lock import FileLock
from outpost.clients.sqlite.rows import BLOCKS, insert_rows

__all__ = [
    "BLOCKS",
    "Database",
    "DatabaseBusy",
    "DatabaseCorrupted",
    "DatabaseError",
    "DatabaseUnavailable",
    "FileLock",
    "insert_rows",
]
