"""What can go wrong with a SQLite file, and how its error codes are told apart."""

import sqlite3

_CORRUPTED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}


class DatabaseError(Exception):
    """Base of the errors of this package."""


class DatabaseUnavailable(DatabaseError):
    """The file cannot be written or read now (disk full, I/O error, busy); the transaction had no effect."""


class DatabaseCorrupted(DatabaseError):
    """The file is damaged, or not a SQLite database at all."""


class DatabaseBusy(DatabaseError):
    """Another process holds the file's lock."""


def translated(error: BaseException) -> BaseException:
    """Return our error for one of sqlite3's, or the error itself if it tells of a fault in the statement."""
    if isinstance(error, StopIteration):  # no future can carry it
        return RuntimeError("a database operation raised StopIteration")
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return error
    primary = code & 0xFF  # the low byte is the primary code, the rest refines it (SQLite, "Result and Error Codes")
    if primary in _CORRUPTED:
        return DatabaseCorrupted(str(error))
    if primary in _UNAVAILABLE:
        return DatabaseUnavailable(str(error))
    return error
