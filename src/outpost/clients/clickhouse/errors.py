"""What can go wrong, by what a caller can do about it.

    ClickHouseError
    ├── Unavailable           try again later; a statement may or may not have taken effect
    │   └── TimedOut          it took longer than allowed
    ├── AccessDenied          user or password are not let in
    ├── DatabaseNotFound      the server has no such database
    ├── TableNotFound         the database has no such table
    ├── PermissionDenied      the user may not do that
    ├── DataRejected          a value is not what it is meant to be
    ├── ResultTooLarge        the answer is longer than was allowed; nothing of it is returned
    └── StatementFailed       the statement itself is wrong, or something else: `code` tells

Messages hold the address and the first line of what the server said, never the password.
"""

import re

from outpost.clients.clickhouse.text import first_line
from outpost.clients.clickhouse.transport import Answer


class ClickHouseError(Exception):
    """Something went wrong with a database.

    Attributes:
        address: URL and database, without user and password.
        detail: What the server or the network said.
        code: The server's number for it; 0 if it came from elsewhere.
    """

    sentence = "the database failed"

    def __init__(self, address: str, detail: str = "", *, code: int = 0) -> None:
        super().__init__(address, detail)
        self.address = address
        self.detail = detail
        self.code = code

    def __str__(self) -> str:
        code = f" [{self.code}]" if self.code else ""
        return f"ClickHouse at {self.address}: {self.sentence}" + (f": {self.detail}" if self.detail else "") + code


class Unavailable(ClickHouseError):
    """The server cannot be reached, broke off, or cannot work now."""

    sentence = "unavailable"


class TimedOut(Unavailable):
    """It took longer than allowed."""

    sentence = "no answer in time"


class AccessDenied(ClickHouseError):
    """User or password are not let in."""

    sentence = "access denied"


class DatabaseNotFound(ClickHouseError):
    """The server has no such database."""

    sentence = "no such database"


class TableNotFound(ClickHouseError):
    """The database has no such table."""

    sentence = "no such table"


class PermissionDenied(ClickHouseError):
    """The user may not do that."""

    sentence = "permission denied"


class DataRejected(ClickHouseError):
    """A value is not what it is meant to be."""

    sentence = "a value was rejected"


class ResultTooLarge(ClickHouseError):
    """The answer is longer than was allowed."""

    sentence = "the result is too large"


class StatementFailed(ClickHouseError):
    """The statement cannot be run as it is."""

    sentence = "the statement failed"


# ClickHouse, src/Common/ErrorCodes.cpp.
_CODES: dict[type[ClickHouseError], tuple[int, ...]] = {
    TimedOut: (159, 160, 209),
    # Too many queries, merges or parts; memory, disk, keeper or replicas missing; cancelled; overloaded.
    Unavailable: (202, 203, 210, 225, 236, 241, 242, 243, 252, 279, 285, 319, 394, 425, 499, 745, 999),
    AccessDenied: (192, 193, 194, 195, 516),
    PermissionDenied: (164, 291, 497),
    DatabaseNotFound: (81,),
    TableNotFound: (60,),
    # Cannot parse, incorrect, out of range, of another type, NULL where none may be.
    DataRejected: (6, 26, 27, 33, 38, 41, 53, 69, 70, 72, 117, 131, 321, 349, 376, 457, 467, 691),
}
_KINDS = {code: kind for kind, codes in _CODES.items() for code in codes}

_SAID = re.compile(r"Code: (\d+)\. DB::Exception: (.*)", re.DOTALL)
_AFTER_THE_SENTENCE = re.compile(r" \((version|official build).*", re.DOTALL)


def error_of(answer: Answer, address: str) -> ClickHouseError | None:
    """Return the error that an answer tells of, if it does."""
    said_code = next((value for name, value in answer.headers if name == b"x-clickhouse-exception-code"), b"0")
    code = int(said_code) if said_code.isdigit() else 0
    if answer.status == 200 and not code:
        return None
    text = answer.body.decode("utf-8", "replace")
    if said := _SAID.search(text):
        code = code or int(said[1])
        text = _AFTER_THE_SENTENCE.sub("", said[2])
    if not code:  # not ClickHouse's own: a proxy's, or another program's
        kind = Unavailable if answer.status >= 500 else AccessDenied if answer.status in (401, 403) else StatementFailed
        return kind(address, f"HTTP status {answer.status}")
    return _KINDS.get(code, StatementFailed)(address, first_line(text), code=code)
