"""A migration file: `NNNNNN_name.sql`, its statements and what identifies them."""

import hashlib
import re
import sqlite3
from collections.abc import Sequence
from importlib.resources.abc import Traversable

import msgspec

from outpost.migrations.errors import MigrationError

_FILE = re.compile(r"(\d{6})_([a-z0-9_]+)\.sql")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_DESTRUCTIVE = re.compile(r"\b(DROP|DELETE|TRUNCATE|RENAME)\b", re.IGNORECASE)
_LITERAL = re.compile(r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")")


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a line.

    Attributes:
        checksum: SHA-256 over the statements; comments and white space do not count.
    """

    number: int
    name: str
    statements: Sequence[str]
    checksum: str

    @property
    def id(self) -> str:
        return f"{self.number:06d}_{self.name}"

    def destructive(self) -> Sequence[str]:
        return [statement for statement in self.statements if _DESTRUCTIVE.search(_bare(statement))]


def load_scripts(folder: Traversable) -> Sequence[Script]:
    """Return the scripts of a folder in order.

    Raises:
        MigrationError: A number is missing or stands twice, or a file cannot be split into statements.
    """
    named = [(entry.name, entry) for entry in folder.iterdir() if _FILE.fullmatch(entry.name)]
    named.sort(key=lambda pair: pair[0])
    scripts = [parse(name, entry.read_text("utf-8")) for name, entry in named]
    for position, script in enumerate(scripts, start=1):
        if script.number != position:
            raise MigrationError(f"migration {position:06d} is missing from this program; install it anew")
    return scripts


def parse(file_name: str, text: str) -> Script:
    """Raises MigrationError if the name or the last statement is not one."""
    found = _FILE.fullmatch(file_name)
    if found is None:
        raise MigrationError(f"{file_name} is not named NNNNNN_name.sql")
    statements = _statements(file_name, text)
    checksum = hashlib.sha256("\0".join(_bare(statement) for statement in statements).encode()).hexdigest()
    return Script(number=int(found[1]), name=found[2], statements=statements, checksum=checksum)


def _statements(file_name: str, text: str) -> list[str]:
    statements: list[str] = []
    current = ""
    for piece in re.split(r"(?<=;)", text):
        current += piece
        if sqlite3.complete_statement(current):  # knows strings, comments and the ends of triggers
            if _bare(current) not in ("", ";"):
                statements.append(current.strip())
            current = ""
    if _bare(current):
        raise MigrationError(f"{file_name} ends in the middle of a statement: {_bare(current)[:60]}")
    return statements


def _bare(statement: str) -> str:
    """The statement without comments and with single spaces; literals stay as they are."""
    parts = _LITERAL.split(statement)
    plain = [part if number % 2 else re.sub(r"\s+", " ", _COMMENT.sub(" ", part)) for number, part in enumerate(parts)]
    return "".join(plain).strip()
