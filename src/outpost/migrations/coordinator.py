"""The migration commands over every line."""

from collections.abc import Sequence

from outpost.migrations.line import Line, Waiting
from outpost.migrations.report import Applied, Holder, MigrationState, Plan, Status


class Coordinator:
    """Lists, plans and applies the migrations of all lines, in the order in which they are given."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines

    def list(self) -> Sequence[MigrationState]:
        return [state for line in self.lines for state in line.states()]

    def plan(self) -> Plan:
        return Plan(steps=[step for line in self.lines for step in line.plan()])

    def status(self) -> Status:
        return Status(lines=[line.status() for line in self.lines])

    def pending(self) -> Sequence[str]:
        """Return the ids of what is pending; cheap, without a lock."""
        return [state.id for state in self.list() if state.state == "pending"]

    def apply(
        self, *, until: str | None = None, lock_seconds: float | None = None, waiting: Waiting | None = None
    ) -> Applied:
        """Apply everything pending, line by line; see `Line.apply`."""
        done: list[MigrationState] = []
        for line in self.lines:
            if any(state.state == "pending" for state in line.states()):
                done.extend(line.apply(until=until, lock_seconds=lock_seconds, waiting=waiting or _say_nothing))
        return Applied(steps=done)


def refusal(pending: Sequence[str]) -> str:
    """Return the sentence with which a server refuses to start."""
    count = "1 migration" if len(pending) == 1 else f"{len(pending)} migrations"
    return f"{count} pending ({', '.join(pending)}). Run: outpost migrate apply"


def _say_nothing(_: Holder) -> None: ...
