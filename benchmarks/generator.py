"""Publishes events and prints one JSON line: `python -m benchmarks.generator`, arguments as one JSON object on stdin.

    {"port": 3333, "key": "...", "tenants": ["t"], "rate": 0, "seconds": 10, "connections": 32, "payload": 1000}

`rate` 0 publishes as fast as `connections` closed loops allow.
"""

import asyncio
import json
import sys
import time
from typing import Any


class Publisher(asyncio.Protocol):
    """One connection with at most one request in flight."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._sent_at = 0
        self._buffer = b""
        self.idle = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def publish(self) -> None:
        self.idle = False
        self._sent_at = time.perf_counter_ns()
        self._transport.write(self._load.request())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        start = self._buffer.lower().find(b"content-length:")
        length = int(self._buffer[start + 15 : self._buffer.find(b"\r", start)])
        if len(self._buffer) < end + 4 + length:
            return
        status, self._buffer = self._buffer[9:12], b""
        self.idle = True
        self._load.answered(self, status, time.perf_counter_ns() - self._sent_at)

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost += 1


class Load:
    """The events to publish, and what became of them."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self.wanted = wanted
        self.sequence = 0
        self.lost = 0
        self.refused = 0
        self.latencies_ns: list[int] = []
        self.fill = "x" * max(0, wanted["payload"] - 60)
        self.running = True
        self.waiting: list[Publisher] = []
        self.owed = 0

    def request(self) -> bytes:
        self.sequence += 1
        tenants = self.wanted["tenants"]
        body = (
            f'{{"tenant_id":"{tenants[self.sequence % len(tenants)]}","topic":"user.created","data":'
            f'{{"seq":{self.sequence},"sent_ns":{time.time_ns()},"fill":"{self.fill}"}}}}'
        )
        return (
            f"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.wanted['key']}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def answered(self, publisher: Publisher, status: bytes, latency_ns: int) -> None:
        if status == b"202":
            self.latencies_ns.append(latency_ns)
        else:
            self.refused += 1
        if not self.running:
            return
        if not self.wanted["rate"]:
            publisher.publish()
        elif self.owed:
            self.owed -= 1
            publisher.publish()
        else:
            self.waiting.append(publisher)

    def due(self) -> None:
        if self.waiting:
            self.waiting.pop().publish()
        else:
            self.owed += 1


async def main(wanted: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    load = Load(wanted)
    publishers: list[Publisher] = []
    for _ in range(wanted["connections"]):
        _, publisher = await loop.create_connection(lambda: Publisher(load), "127.0.0.1", wanted["port"])
        publishers.append(publisher)
    started = loop.time()
    if wanted["rate"]:
        load.waiting = publishers[:]
        for number in range(int(wanted["rate"] * wanted["seconds"])):
            pause = started + number / wanted["rate"] - loop.time()
            if pause > 0:
                await asyncio.sleep(pause)
            load.due()
    else:
        for publisher in publishers:
            publisher.publish()
        await asyncio.sleep(wanted["seconds"])
    load.running = False
    elapsed = loop.time() - started
    async with asyncio.timeout(60):
        while not all(publisher.idle for publisher in publishers):
            await asyncio.sleep(0.01)
    latencies = sorted(load.latencies_ns)
    count = len(latencies)

    def percentile(share: float) -> float | None:
        return round(latencies[min(count - 1, int(count * share))] / 1e6, 3) if count else None

    report = {
        "accepted": count,
        "refused": load.refused,
        "lost": load.lost,
        "per_second": round(count / elapsed, 1),
        "started": time.time() - (loop.time() - started),
        "p50": percentile(0.5),
        "p99": percentile(0.99),
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(json.loads(sys.stdin.read())))
