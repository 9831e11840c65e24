"""What a run leaves aside while it works; written to the quarantine with each checkpoint."""

from collections.abc import Mapping

from outpost.migrations.errors import DecisionNeeded
from outpost.migrations.redis.catalogue import MIGRATIONS
from outpost.migrations.redis.context import shown
from outpost.migrations.redis.quarantine import REASONS, Entry, Field, RedisQuarantine
from outpost.migrations.run import Run

_NAMES = {each.number: each.name for each in MIGRATIONS}


class Aside:
    """The records left aside, of this run and earlier ones."""

    def __init__(self, quarantine: RedisQuarantine, run: Run, known: Mapping[Field, Entry]) -> None:
        self._quarantine = quarantine
        self._run = run
        self._known = dict(known)
        self._unwritten: dict[Field, Entry] = {}
        self._met: set[Field] = set()
        self._counted: set[Field] = set()

    def leave(self, key: bytes, number: int, reason: str, digest: str) -> bool:
        """Leave a record aside; say whether no earlier pass of this run has met it.

        Raises:
            DecisionNeeded: There are more of them than a run may leave.
        """
        field = (_NAMES[number], key)
        first = field not in self._counted
        self._counted.add(field)
        self._met.add(field)
        known = self._known.get(field)
        if known is None or known.digest != digest or known.reason != reason:
            self._known[field] = self._unwritten[field] = Entry(reason=reason, digest=digest)
            self._run.tell(
                "quarantined",
                store="redis",
                migration=field[0],
                key=shown(key),
                reason=f"{shown(key)}: {REASONS.get(reason, reason)}",
                digest=digest,
            )
        limit = self._run.limits.quarantine_limit
        if len(self._met) > limit:
            raise DecisionNeeded(
                f"more than {limit} records of redis could not be understood and were left as they are; what was done "
                "is kept. See: outpost migrate quarantine list"
            )
        return first

    def confirmed(self, key: bytes) -> bool:
        entry = self._known.get((_NAMES[1], key))
        return entry is not None and entry.confirmed

    async def write(self) -> None:
        unwritten, self._unwritten = self._unwritten, {}
        await self._quarantine.put(self._run, unwritten)

    async def settle(self, names: set[str]) -> Mapping[str, int]:
        """Forget records of these migrations that a whole pass did not meet again; count those that nobody accepted."""
        await self.write()
        gone = [field for field in self._known if field[0] in names and field not in self._met]
        await self._quarantine.remove(self._run, gone)
        for field in gone:
            del self._known[field]
        open_: dict[str, int] = {}
        for (name, _), entry in self._known.items():
            if name in names and not entry.accepted:
                open_[name] = open_.get(name, 0) + 1
        return open_

    def begin_pass(self, *, resumed: bool) -> None:
        """Begin a pass. What lies behind the cursor of a resumed one counts as met."""
        self._met = set(self._known) if resumed else set()
