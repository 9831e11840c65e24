"""How far the replicas are behind what this run has written."""

import time
from collections import deque

from outpost.clients.postgres import Connection

_POSITIONS = """
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS written,
       (SELECT min(pg_wal_lsn_diff(replay_lsn, '0/0'))::bigint
          FROM pg_stat_replication
         WHERE state IN ('streaming', 'catchup')) AS replayed"""


class Replicas:
    """Measures the lag of the slowest replica that follows.

    The server's own figure stands still while a replica replays nothing. So each look remembers how far the server had
    written by then, and the lag is the age of the oldest position that the slowest replica has not reached. A user who
    may not see replicas sees none.
    """

    def __init__(self) -> None:
        self._positions: deque[tuple[float, int]] = deque()

    async def lag_seconds(self, connection: Connection) -> float:
        row = await connection.fetchrow(_POSITIONS)
        assert row is not None
        return self.lag_after(time.monotonic(), row["written"], row["replayed"])

    def lag_after(self, now: float, written: int, replayed: int | None) -> float:
        """Return the lag in seconds, given what a look at `now` has shown."""
        if replayed is None:
            self._positions.clear()
            return 0.0
        if not self._positions or self._positions[-1][1] < written:
            self._positions.append((now, written))
        while self._positions and self._positions[0][1] <= replayed:
            self._positions.popleft()
        return now - self._positions[0][0] if self._positions else 0.0
