"""How far an upgrade has come, so that the next run continues where this one ended.

    outpost:migrate:checkpoint
        plan          {"migrations": [...], "number": pass, "topology": digest, ...}
        node:<h:p>    {"run_id": ..., "number": pass, "cursor": n, "finished": bool, tallies}

A cursor means something only to the run of the server that gave it. It stands behind records that are all done.
"""

from collections.abc import Mapping

import msgspec

from outpost.migrations.redis.books import Tally
from outpost.migrations.redis.context import Context
from outpost.migrations.run import Run


class PassPlan(msgspec.Struct, kw_only=True):
    """The upgrade that is under way.

    Attributes:
        number: Of the pass, from 1.
        topology: Which server had which keys when the pass began.
        disturbed: A server restarted or keys moved during the pass, so it proves nothing.
    """

    migrations: list[str]
    number: int = 1
    topology: str = ""
    disturbed: bool = False


class NodeMark(msgspec.Struct, kw_only=True):
    """How far one server is.

    Attributes:
        present: What this pass has found there so far.
        books: What all passes of the upgrade have made of its records.
        keys: Looked at in this pass.
        population: How many keys the server held when it was last asked.
    """

    run_id: str = ""
    population: int = 0
    number: int = 1
    cursor: int = 0
    finished: bool = False
    keys: int = 0
    present: Tally = msgspec.field(default_factory=Tally)
    books: Tally = msgspec.field(default_factory=Tally)


class Checkpoint:
    """Reads and writes the marks of one upgrade."""

    def __init__(self, context: Context, run: Run) -> None:
        self._context = context
        self._run = run

    async def load(self) -> tuple[PassPlan | None, Mapping[str, NodeMark]]:
        """Return what an earlier run left: None if it left nothing, or something this program cannot read."""
        fields = await self._context.hash(self._context.keys.checkpoint)
        try:
            plan = msgspec.json.decode(fields["plan"], type=PassPlan)
            marks = {
                name.removeprefix("node:"): msgspec.json.decode(text, type=NodeMark)
                for name, text in fields.items()
                if name.startswith("node:")
            }
        except (KeyError, msgspec.DecodeError):
            return None, {}
        return plan, marks

    async def begin(self, plan: PassPlan) -> None:
        await self._write({"plan": _text(plan)})

    async def mark(self, endpoint: str, mark: NodeMark) -> None:
        await self._write({f"node:{endpoint}": _text(mark)})

    async def clear(self) -> None:
        self._run.check()
        await self._context.forget(self._context.keys.checkpoint, self._run.fence, [])

    async def _write(self, fields: dict[str, str]) -> None:
        self._run.check()
        await self._context.remember(self._context.keys.checkpoint, self._run.fence, fields)


def _text(value: PassPlan | NodeMark) -> str:
    return msgspec.json.encode(value).decode()
