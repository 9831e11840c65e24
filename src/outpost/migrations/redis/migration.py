"""What one migration of Redis records is."""

from collections.abc import Mapping
from typing import Protocol

from outpost.migrations.redis.families import Kind

Fields = Mapping[bytes, bytes]
"""The fields of one record."""


class Migration(Protocol):
    """One change of records, described by pure functions.

    The scripts in `lua/` make the change where the records lie. `transform` says independently what must have come
    out; `verify` compares the two, and tests hold them to each other.
    """

    @property
    def number(self) -> int: ...

    @property
    def name(self) -> str:
        """`001_hash_tags`."""
        ...

    @property
    def description(self) -> str: ...

    @property
    def preserves(self) -> str:
        """What stays of the old data until `cleanup`."""
        ...

    @property
    def min_reader(self) -> int:
        """The oldest format number a program must understand to read what this migration leaves."""
        ...

    @property
    def online(self) -> bool:
        """A server may run beside it."""
        ...

    def inapplicable(self, prefix: str) -> str:
        """Return why it is not needed for keys with this prefix; empty if it is."""
        ...

    def transform(self, record: Fields, kind: Kind) -> Fields:
        """Return what a record of the new form shall hold; None of it if it cannot be understood.

        Raises:
            ValueError: It cannot be understood.
        """
        ...

    def is_done(self, record: Fields, kind: Kind) -> bool:
        """Say whether a record of the new form needs nothing of this migration."""
        ...
