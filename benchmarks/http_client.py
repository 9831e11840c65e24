"""What a request through our HTTP client costs: `python -m benchmarks.http_client [--seconds 3] [--in-flight 50]`.

A sink process answers every request with the same bytes. Each client runs in a process of its own and reports the CPU
time that process used per request. The `limit` figures are the machine's own: a bare protocol that writes fixed bytes
and counts answers. All run in turns, several times, and the median is told, because the machine is shared.
"""

import argparse
import asyncio
import json
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from multiprocessing.connection import Connection as Pipe
from typing import Any

from outpost.clients.http import HttpClient, Url

BODY = b'{"id":"%s"}' % (b"x" * 1000)
HEAD = (
    b"Content-Type: application/json\r\n"
    b"User-Agent: benchmark/1\r\n"
    b"X-Event-Id: evt_0123456789abcdef\r\n"
    b"X-Event-Timestamp: 2026-01-01T00:00:00Z\r\n"
    b"X-Event-Signature: v0=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n"
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nok"
)

Work = Callable[[int, int, float], Coroutine[Any, Any, int]]
"""Sends requests to a port, so many at once, for so many seconds; returns how many were answered."""


class Sink(asyncio.Protocol):
    """Answers whenever a request is complete; every request has a body of len(BODY)."""

    def __init__(self) -> None:
        self._waiting = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        while (end := self._waiting.find(b"\r\n\r\n")) >= 0 and len(self._waiting) >= end + 4 + len(BODY):
            self._waiting = self._waiting[end + 4 + len(BODY) :]
            self._transport.write(ANSWER)


class Bare(asyncio.Protocol):
    """The least a client can do: write the next request when the last was answered."""

    answered = 0
    stopping = False

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        Bare.answered += 1
        if Bare.stopping:
            self._transport.close()
            self.done.set_result(None)
        else:
            self._transport.write(self._request)


async def bare(port: int, in_flight: int, seconds: float) -> int:
    loop = asyncio.get_running_loop()
    request = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n%bContent-Length: %d\r\n\r\n%b" % (HEAD, len(BODY), BODY)
    pairs = [await loop.create_connection(lambda: Bare(request), "127.0.0.1", port) for _ in range(in_flight)]
    loop.call_later(seconds, lambda: setattr(Bare, "stopping", True))
    await asyncio.gather(*(protocol.done for _, protocol in pairs))
    return Bare.answered


async def through_the_client(port: int, in_flight: int, seconds: float) -> int:
    loop = asyncio.get_running_loop()
    client = HttpClient()
    url = Url.parse(f"http://127.0.0.1:{port}/hook?tenant=1")
    end = loop.time() + seconds

    async def keep_sending() -> int:
        sent = 0
        while (now := loop.time()) < end:
            response = await client.request(b"POST", url, HEAD, BODY, deadline=now + 5, max_body=65536)
            assert response.status == 200
            sent += 1
        return sent

    answered = sum(await asyncio.gather(*(keep_sending() for _ in range(in_flight))))
    await client.aclose()
    return answered


def run_on(loop_name: str, main: Awaitable[Any]) -> Any:
    if loop_name == "uvloop":
        import uvloop

        factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    else:
        factory = asyncio.new_event_loop

    async def wrapped() -> Any:
        return await main

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(wrapped())


def sink_process(pipe: Pipe, loop_name: str) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    run_on(loop_name, serve())


def client_process(pipe: Pipe, loop_name: str, work: Work, port: int, in_flight: int, seconds: float) -> None:
    run_on(loop_name, work(port, in_flight, 0.3))  # connections, code and caches warm up
    Bare.answered, Bare.stopping = 0, False
    before, start = _cpu_seconds(), time.perf_counter()
    answered = run_on(loop_name, work(port, in_flight, seconds))
    pipe.send((answered, time.perf_counter() - start, _cpu_seconds() - before))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(loop_name: str, work: Work, port: int, in_flight: int, seconds: float) -> tuple[float, float]:
    """Return CPU µs per request and requests per second of a client in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(
        target=client_process, args=(theirs, loop_name, work, port, in_flight, seconds), daemon=True
    )
    process.start()
    answered, elapsed, cpu = ours.recv()
    process.join()
    return cpu / answered * 1e6, answered / elapsed


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=3.0, help="of each turn")
    arguments.add_argument("--turns", type=int, default=3)
    arguments.add_argument("--in-flight", type=int, default=50)
    chosen = arguments.parse_args()
    multiprocessing.set_start_method("spawn")
    loops = ["uvloop", "asyncio"] if sys.platform != "win32" else ["asyncio"]
    ours, theirs = multiprocessing.Pipe()
    sink = multiprocessing.Process(target=sink_process, args=(theirs, loops[0]), daemon=True)
    sink.start()
    port = ours.recv()
    works: dict[str, Work] = {"limit.bare_protocol": bare, "http_client.request": through_the_client}
    figures: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(chosen.turns):
        for loop_name in loops:
            for name, work in works.items():
                figure = measured(loop_name, work, port, chosen.in_flight, chosen.seconds)
                figures.setdefault((name, loop_name), []).append(figure)
    sink.terminate()
    sink.join()
    for (name, loop_name), values in figures.items():
        figure = {
            "figure": name,
            "loop": loop_name,
            "in_flight": chosen.in_flight,
            "cpu_us_per_request": round(statistics.median(cpu for cpu, _ in values), 2),
            "per_second": round(statistics.median(rate for _, rate in values)),
        }
        print(json.dumps(figure), flush=True)


if __name__ == "__main__":
    main()
