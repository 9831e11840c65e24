"""The records of one page: what is done with them, and what has become of them."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec

from outpost.clients.redis import Argument
from outpost.migrations.failpoints import failpoint
from outpost.migrations.redis.books import Tally
from outpost.migrations.redis.calls import Call
from outpost.migrations.redis.context import Context
from outpost.migrations.redis.families import Sorted
from outpost.migrations.redis.scripts import script
from outpost.migrations.run import Run

Odd = tuple[bytes, int, str]
"""A record that a script left alone: key, number of the migration, reason."""


class Task(msgspec.Struct, frozen=True):
    """What a pass is to do.

    Attributes:
        wanted: Numbers of the migrations, `123`.
        run: None if nothing may be written: then it is only counted.
        careful: There are records of the new form, so a destination without a new record may have been deleted since,
            which its tenant's new summary tells.
        doubtful: An old record without a new one may have been deleted after an earlier migration, so it is left aside.
    """

    context: Context
    wanted: str
    run: Run | None = None
    doubtful: bool = False
    careful: bool = True

    @property
    def old(self) -> bool:
        return "1" in self.wanted

    def looks_at_all(self, number: int) -> bool:
        """Say whether a pass looks at records of the new form, and at summaries apart from their tenants.

        A first pass that copies would meet mostly its own copies; the next one looks at all of them.
        """
        return number > 1 or not self.old

    @property
    def told(self) -> str:
        """What scripts are told of the wanted migrations."""
        return f"{self.wanted}{'?' if self.doubtful else ''}{'c' if self.careful else ''}"

    @property
    def dry(self) -> str:
        return "" if self.run is not None else "dry"

    def pass_by(self, place: str) -> None:
        """Pass a failpoint of the work; counting has none."""
        if self.run is not None:
            failpoint(place)

    def upgrade(self, call: Call) -> "asyncio.Future[Any]":
        """Send one call of the upgrade script."""
        fence_keys: Sequence[Argument] = self.context.fence_keys if self.run is not None else ()
        fence = self.run.fence if self.run is not None and fence_keys else ""
        return self.context.redis.run(
            script("upgrade"),
            [*fence_keys, *call.keys],
            [fence, self.dry, self.told, *call.counts, *call.ids],
        )


class Done(msgspec.Struct):
    """What has become of the records of a page.

    Attributes:
        odd: Left alone by the scripts, to be looked at one by one.
        took: Of each call the microseconds in the server, and its records.
    """

    tally: Tally = msgspec.field(default_factory=Tally)
    odd: list[Odd] = []
    took: list[tuple[int, int]] = []

    def take(self, reply: Sequence[Any], records: int) -> None:
        """Add the reply of the upgrade script."""
        self.took.append((reply[0], records))
        self.tally.take(reply[1:15])
        self.odd += odd_of(reply[15:])


def odd_of(flat: Sequence[Any]) -> Iterator[Odd]:
    for key, number, reason in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
        yield key, number, reason.decode()


class Worker(Protocol):
    """Does the work of a page, on one server or across slots."""

    async def page(self, found: Sorted, *, batch: int, again: bool) -> Done:
        """Do it.

        Args:
            batch: Records in one call.
            again: An earlier pass has been here: most of it is done, which is checked first.
        """
        ...

    async def one(self, found: Sorted, *, summary_done: bool = False) -> Done:
        """Do the work for a record whose kind is certain.

        Args:
            summary_done: The summary of this tenant has been copied already.
        """
        ...


class LeftAside(Protocol):
    """Takes note of records that are left aside."""

    def leave(self, key: bytes, number: int, reason: str, digest: str) -> bool: ...

    def confirmed(self, key: bytes) -> bool:
        """Say whether a person has confirmed that a doubtful old record was never migrated."""
        ...


class Counting:
    """Stands in for `Aside` where nothing is written."""

    def leave(self, key: bytes, number: int, reason: str, digest: str) -> bool:
        return True

    def confirmed(self, key: bytes) -> bool:
        return False
