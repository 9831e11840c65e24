"""A webhook receiver that does nothing but count: `python -m benchmarks.receiver PORT`.

POST /ok answers 200, /refuse 500, /hang never. GET /stats tells counts and latencies of the events on /ok (their
bodies carry `sent_ns`), POST /reset forgets them.
"""

import asyncio
import json
import re
import sys
import time

_SENT = re.compile(rb'"sent_ns":(\d+)')
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_EVENT_ID = re.compile(rb"x-outpost-event-id: *([^\r]+)", re.IGNORECASE)
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"
_ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno"


class Counts:
    """What arrived since the last reset."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.latencies_ns: list[int] = []
        self.event_ids: set[bytes] = set()
        self.last = 0.0

    def arrived(self, head: bytes, body: bytes) -> None:
        self.last = time.time()
        sent = _SENT.search(body)
        if sent:
            self.latencies_ns.append(time.time_ns() - int(sent[1]))
        event_id = _EVENT_ID.search(head)
        if event_id:
            self.event_ids.add(event_id[1])

    def report(self) -> bytes:
        latencies = sorted(self.latencies_ns)
        count = len(latencies)

        def percentile(share: float) -> float | None:
            return round(latencies[min(count - 1, int(count * share))] / 1e6, 3) if count else None

        return json.dumps(
            {
                "count": count,
                "unique": len(self.event_ids),
                "last": self.last,
                "p50": percentile(0.5),
                "p99": percentile(0.99),
                "max": percentile(1),
            }
        ).encode()


class Connection(asyncio.Protocol):
    """One connection; the counts are shared."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._buffer = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[: end + 4]
            length = _LENGTH.search(head)
            total = len(head) + (int(length[1]) if length else 0)
            if len(self._buffer) < total:
                return
            body, self._buffer = self._buffer[len(head) : total], self._buffer[total:]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        path = head.split(b" ", 2)[1]
        if path.startswith(b"/ok"):
            self._counts.arrived(head, body)
            self._transport.write(_OK)
        elif path.startswith(b"/refuse"):
            self._transport.write(_ERROR)
        elif path == b"/stats":
            report = self._counts.report()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(report), report))
        elif path == b"/reset":
            self._counts.reset()
            self._transport.write(_OK)


async def main(port: int) -> None:
    counts = Counts()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(counts), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(int(sys.argv[1])))
