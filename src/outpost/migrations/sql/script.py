"""A migration file: `NNNNNN_name.sql`, its statements and what identifies them.

    -- Tables of the embedded profile.            the first comment line describes the migration
    -- outpost: online                            directives in the head of the file are about the whole migration
    CREATE TABLE tenants (...);

    -- outpost: keeps outpost_kept_orphans        directives before a statement are about that statement
    DROP TABLE old_things;

What a directive means is for the dialect to say; `keeps`, where data that a statement destroys was put before, and
`online`, a server may run beside the migration, mean the same everywhere.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable

import msgspec

from outpost.migrations.errors import MigrationError

_FILE = re.compile(r"(\d{6})_([a-z0-9_]+)\.sql")
_DIRECTIVE = re.compile(r"--\s*outpost:\s*(\S+)[ \t]*([^\n]*)")
_TOKEN = re.compile(
    r"""
      (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?P<literal> '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` | (?P<tag>\$\w*\$).*?(?P=tag) )
    | (?P<end> ; )
    | (?P<plain> [^'"`$;/-]+ | . )
    """,
    re.DOTALL | re.VERBOSE,
)
_DESTRUCTIVE = re.compile(r"\b(DROP\s+(TABLE|COLUMN)|DELETE|TRUNCATE)\b", re.IGNORECASE)


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of a file.

    Attributes:
        text: As it is sent, without the semicolon.
        bare: Without comments and with single spaces; what the checksum is made of.
        line: Where it begins in the file, from 1.
    """

    text: str
    bare: str
    line: int
    directives: Mapping[str, str] = {}

    @property
    def sent(self) -> str:
        """The text on one line, for people."""
        return " ".join(self.text.split())

    @property
    def destructive(self) -> bool:
        return _DESTRUCTIVE.search(self.bare) is not None

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.bare.encode()).hexdigest()[:16]


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a line."""

    number: int
    name: str
    description: str
    directives: Mapping[str, str]
    statements: Sequence[Statement]

    @property
    def id(self) -> str:
        return f"{self.number:06d}_{self.name}"

    @property
    def file(self) -> str:
        return f"{self.id}.sql"

    @property
    def online(self) -> bool:
        return "online" in self.directives

    @property
    def checksum(self) -> str:
        """SHA-256 over the statements; comments and white space do not count."""
        return hashlib.sha256("\0".join(statement.bare for statement in self.statements).encode()).hexdigest()

    def destructive(self) -> Sequence[str]:
        """Return what deletes or drops something, each with where the data is kept."""
        return [
            f"{statement.sent} (kept in {kept})" if (kept := statement.directives.get("keeps")) else statement.sent
            for statement in self.statements
            if statement.destructive
        ]


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
    """Raises MigrationError if the name is not one, or the last statement has no end."""
    found = _FILE.fullmatch(file_name)
    if found is None:
        raise MigrationError(f"{file_name} is not named NNNNNN_name.sql")
    head, body = _split_head(text)
    described = next((line[2:].strip() for line in head.splitlines() if line[:2] == "--"), "")
    return Script(
        number=int(found[1]),
        name=found[2],
        description=described.rstrip("."),
        directives=_directives(head),
        statements=split(file_name, body, first_line=head.count("\n") + 1),
    )


def split(file_name: str, text: str, *, first_line: int = 1) -> Sequence[Statement]:
    """Split SQL at its semicolons, not those within strings, dollar quotes and comments.

    Raises:
        MigrationError: The last statement has no end.
    """
    statements: list[Statement] = []
    comments = current = bare = ""
    line = begins_at = first_line
    for token in _TOKEN.finditer(text):
        piece = token[0]
        if token["end"]:
            if bare.strip():
                statements.append(
                    Statement(
                        text=current.strip(),
                        bare=_single_spaces(bare),
                        line=begins_at,
                        directives=_directives(comments),
                    )
                )
            comments = current = bare = ""
        elif token["comment"]:
            if bare.strip():
                current += piece
            else:
                comments += piece + "\n"
            bare += " " if bare.strip() else ""
        elif bare.strip() or piece.strip():
            if not bare.strip():
                begins_at = line + len(piece) - len(piece.lstrip("\n"))
            current += piece
            bare += f"\0{piece}\0" if token["literal"] else piece
        line += piece.count("\n")
    if bare.strip():
        raise MigrationError(f"{file_name}, line {begins_at}: the statement has no semicolon at its end")
    return statements


def _split_head(text: str) -> tuple[str, str]:
    """The head is what stands before the first empty line or the first statement."""
    lines = text.splitlines(keepends=True)
    size = next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return "".join(lines[:size]), "".join(lines[size:])


def _directives(comments: str) -> dict[str, str]:
    return {name: value.strip() for name, value in _DIRECTIVE.findall(comments)}


def _single_spaces(marked: str) -> str:
    """Literals stand between NUL characters and stay as they are."""
    parts = marked.split("\0")
    return "".join(part if number % 2 else re.sub(r"\s+", " ", part) for number, part in enumerate(parts)).strip()
