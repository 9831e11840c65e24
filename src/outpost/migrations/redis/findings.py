"""What comparing brings to light, adding up page by page."""

import msgspec

from outpost.migrations.redis.compare import VERDICTS, Verdict
from outpost.migrations.redis.context import shown
from outpost.migrations.report import Check

_TOLD = 20


class Found(msgspec.Struct):
    """For one check.

    Attributes:
        differences: Some of them, in words.
    """

    name: str
    compared: int = 0
    different: int = 0
    differences: list[str] = []

    def differs(self, key: bytes, how: str) -> None:
        self.different += 1
        if len(self.differences) < _TOLD:
            self.differences.append(f"{shown(key)} {how}")

    def add(self, other: "Found") -> None:
        self.compared += other.compared
        self.different += other.different
        self.differences += other.differences[: _TOLD - len(self.differences)]

    def check(self, scale: float, note: str = "", repair: str = "") -> Check:
        """Return what was found.

        Args:
            scale: For how many records there are each one compared stands.
        """
        return Check(
            name=self.name,
            compared=self.compared,
            population=round(self.compared * scale),
            different=self.different,
            differences=self.differences,
            note=note,
            repair=repair if self.different else "",
        )


def _of(name: str) -> Found:
    return msgspec.field(default_factory=lambda: Found(name))


class Findings(msgspec.Struct):
    """For all checks.

    Attributes:
        copies, times, entities: Of the three migrations, in their order.
        verdicts: On old records and their new ones.
        counterparts: Old records that have a new one.
        digest: 128 bits that stand for all new records, in whatever order they were met.
    """

    copies: Found = _of("redis/001_hash_tags: old records and their new ones")
    times: Found = _of("redis/002_timestamps: times of tenants and destinations")
    entities: Found = _of("redis/003_entity: what records say they are")
    verdicts: dict[Verdict, int] = msgspec.field(default_factory=lambda: dict.fromkeys(VERDICTS, 0))
    counterparts: int = 0
    digest: int = 0

    def add(self, other: "Findings") -> None:
        """Take in what was found in other pages."""
        self.copies.add(other.copies)
        self.times.add(other.times)
        self.entities.add(other.entities)
        for verdict, count in other.verdicts.items():
            self.verdicts[verdict] += count
        self.counterparts += other.counterparts
        self.digest ^= other.digest

    @property
    def falsely_applied(self) -> bool:
        """Whether no old record has a new one, although that was recorded as done."""
        return self.verdicts["unknown"] > 0 and self.counterparts == 0
