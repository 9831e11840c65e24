"""The append-only history: a stream of the tool's own runs, and what releases 0.12 to 0.16 noted of theirs."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from outpost.clients.redis import Scan
from outpost.migrations.redis.context import Context, decoded
from outpost.migrations.redis.scripts import script
from outpost.migrations.report import RunRecord

_LENGTH = 1_000
_MOST_KEYS = 200_000


class History:
    """Runs of this deployment."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def append(self, run: RunRecord) -> None:
        """Append a run.

        Raises:
            RedisReplyError: Code FENCED: a newer run has written already.
        """
        text = msgspec.json.encode(run).decode()
        await self._context.redis.run(script("append"), [self._context.keys.history], [run.fence, text, _LENGTH])

    async def runs(self) -> Sequence[RunRecord]:
        entries = await self._context.redis.command("XRANGE", self._context.keys.history, "-", "+")
        own = [msgspec.json.decode(decoded(fields)["record"], type=RunRecord) for _, fields in entries]
        return sorted([*await self._past(), *own], key=lambda run: run.started_at)

    async def last(self) -> RunRecord | None:
        """Return the newest run of this tool; cheap."""
        entries = await self._context.redis.command("XREVRANGE", self._context.keys.history, "+", "-", "COUNT", 1)
        return msgspec.json.decode(decoded(entries[0][1])["record"], type=RunRecord) if entries else None

    async def _past(self) -> Sequence[RunRecord]:
        """Return what older releases noted, found among the first keys; a very large store may hide some."""
        found: list[RunRecord] = []
        for node in await self._context.redis.nodes():
            seen = 0
            async for page in Scan(node, match=self._context.keys.past_runs):
                seen += page.looked_at
                found += [run for key in page.keys if (run := await self._past_run(key)) is not None]
                if seen >= _MOST_KEYS:
                    break
        return found

    async def _past_run(self, key: bytes) -> RunRecord | None:
        name, _, seconds = key.decode(errors="replace").partition("outpost:migration:")[2].partition(":run:")
        if not seconds.isdigit():
            return None
        fields = await self._context.hash(key.decode())
        counts = ", ".join(f"{each} {fields[each]}" for each in ("processed", "skipped", "failed") if each in fields)
        duration = fields.get("duration_ms", "")
        return RunRecord(
            store="redis",
            run=f"{name}:{seconds}",
            command="rerun" if fields.get("rerun") == "1" else "apply",
            outcome="failed" if fields.get("failed", "0") != "0" else "ok",
            started_at=datetime.fromtimestamp(int(seconds), UTC),
            duration_ms=int(duration) if duration.isdigit() else 0,
            migrations=[f"redis/{name}"],
            detail=counts,
        )
