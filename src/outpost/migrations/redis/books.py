"""Counts what has become of the records, per migration; every record that is matched must be accounted for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from outpost.migrations.redis.catalogue import MIGRATIONS
from outpost.migrations.report import Books

Outcome = Literal["migrated", "already", "vanished", "quarantined"]
OUTCOMES: Sequence[Outcome] = ("migrated", "already", "vanished", "quarantined")


class Count(msgspec.Struct):
    """Of one migration.

    Attributes:
        late: Those quarantined that no earlier pass of this upgrade had met.
    """

    matched: int = 0
    migrated: int = 0
    already: int = 0
    vanished: int = 0
    quarantined: int = 0
    late: int = 0

    def add(self, other: "Count") -> None:
        self.matched += other.matched
        self.migrated += other.migrated
        self.already += other.already
        self.vanished += other.vanished
        self.quarantined += other.quarantined
        self.late += other.late


class Tally(msgspec.Struct):
    """Of some work.

    Attributes:
        counts: By number of the migration.
        newer: New records that were not made from the old record beside them, and were kept.
        gone: Old records whose new one was deleted after it had been migrated.
        busy: Records that changed while they were copied, and are left to the next pass.
    """

    counts: dict[int, Count] = msgspec.field(default_factory=lambda: {each.number: Count() for each in MIGRATIONS})
    newer: int = 0
    gone: int = 0
    busy: int = 0

    def note(self, number: int, outcome: Outcome) -> None:
        count = self.counts[number]
        count.matched += 1
        setattr(count, outcome, getattr(count, outcome) + 1)

    def take(self, reply: Sequence[int]) -> None:
        """Add the counts of a script: newer, gone, then by migration matched, migrated, already, vanished."""
        self.newer += reply[0]
        self.gone += reply[1]
        at = 2
        for migration in MIGRATIONS:
            count = self.counts[migration.number]
            count.matched += reply[at]
            count.migrated += reply[at + 1]
            count.already += reply[at + 2]
            count.vanished += reply[at + 3]
            at += 4

    def add(self, other: "Tally") -> None:
        for number, count in other.counts.items():
            self.counts[number].add(count)
        self.newer += other.newer
        self.gone += other.gone
        self.busy += other.busy

    @property
    def changed(self) -> int:
        """What there was to do: a pass that finds none of it proves that the work is complete."""
        return self.busy + sum(count.migrated for count in self.counts.values())

    @property
    def matched(self) -> int:
        return sum(count.matched for count in self.counts.values())

    def news(self) -> "Tally":
        """Return what a later pass adds to the books: records it looked at again are in them already."""
        counts = {
            number: Count(matched=count.migrated + count.late, migrated=count.migrated, quarantined=count.late)
            for number, count in self.counts.items()
        }
        return Tally(counts=counts)


def imbalance(tally: Tally) -> str:
    """Return which books do not balance; empty if all do."""
    return ", ".join(f"{books.migration}: {books}" for books in books_of(tally) if not books.balanced)


def books_of(tally: Tally, numbers: Iterable[int] = ()) -> Sequence[Books]:
    wanted = set(numbers) or {each.number for each in MIGRATIONS}
    return [
        Books(
            migration=each.name, **{name: getattr(tally.counts[each.number], name) for name in ("matched", *OUTCOMES)}
        )
        for each in MIGRATIONS
        if each.number in wanted
    ]


def books_from(migration: str, fields: Mapping[str, str]) -> Books | None:
    """Return the books that the state of a migration holds; None if it holds none."""
    if not fields.get("matched", "").isdigit():
        return None
    counts = {name: int(fields.get(name, "0")) for name in ("matched", *OUTCOMES)}
    return Books(migration=migration, **counts)
