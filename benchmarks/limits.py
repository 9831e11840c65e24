"""What this machine can do at best, to hold the other figures against.

- a bare SQLite loop: 64 rows of 1 KB per transaction, flushed to disk;
- a bare HTTP pair: the benchmark's own generator against its own receiver, nothing between them;
- a fixed piece of work, 200 times a second, and the answer of another process that does it twice: a machine that is
  shared stands still now and then, and no p99 measured on it can be better than what that does to bare work. What comes
  meanwhile waits in line, so a wait is longer than the work that causes it.
"""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def sqlite_group_commits(seconds: float = 2.0) -> dict[str, Any]:
    """Rows per second of one connection that commits 64 rows at a time, and the time of one lone commit."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "limit.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE rows (key INTEGER PRIMARY KEY, data BLOB NOT NULL)")
        statement = "INSERT INTO rows (data) VALUES " + ", ".join(["(?)"] * 64)
        block = [b"x" * 1000] * 64
        rows, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(statement, block)
            connection.execute("COMMIT")
            rows += 64
        lone: list[float] = []
        for _ in range(200):
            start = time.perf_counter()
            connection.execute("INSERT INTO rows (data) VALUES (?)", (b"x" * 1000,))
            lone.append(time.perf_counter() - start)
        connection.close()
    return {
        "figure": "limit.sqlite_group_commit",
        "rows_per_second": round(rows / seconds),
        "lone_commit_ms": round(sorted(lone)[100] * 1000, 3),
    }


def fixed_work(seconds: float = 5.0) -> dict[str, Any]:
    """Milliseconds that summing 10,000 numbers takes at 200/s: half the time, and in the worst hundredth."""
    took: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        sum(range(10_000))
        took.append(time.perf_counter() - start)
        time.sleep(1 / 200)
    took.sort()
    p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
    return {"figure": "limit.fixed_work", "p50_ms": round(p50 * 1000, 3), "p99_ms": round(p99 * 1000, 3)}


def paced_answer(rate: int = 200, seconds: float = 8.0) -> dict[str, Any]:
    """Milliseconds until another process, asked 200 times a second, has summed 20,000 numbers and answers.

    Each is counted from when it was due, as the generator does.
    """
    here, there = socket.socketpair()
    if (child := os.fork()) == 0:
        here.close()
        while there.recv(1):
            sum(range(20_000))
            there.send(b"x")
        os._exit(0)
    there.close()
    waits: list[float] = []
    start = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = start + number / rate
        time.sleep(max(0.0, due - time.perf_counter()))
        here.send(b"x")
        here.recv(1)
        waits.append(time.perf_counter() - due)
    here.close()
    os.waitpid(child, 0)
    waits.sort()
    p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    return {"figure": "limit.paced_answer", "p50_ms": round(p50 * 1000, 3), "p99_ms": round(p99 * 1000, 3)}


def http_pair(receiver_port: int, *, rate: int = 0, seconds: float = 3.0) -> dict[str, Any]:
    """Requests per second of the generator against the receiver alone, and milliseconds until the answer.

    Args:
        rate: Requests per second; 0 means as many as go through.
    """
    wanted = {"port": receiver_port, "key": "x", "tenants": ["t"], "rate": rate, "seconds": seconds, "connections": 32}
    code = "import benchmarks.generator as g; g.Load.request = (lambda self, old=g.Load.request: old(self).replace(b'/api/v1/publish', b'/ok')); g.Load.answered = (lambda self, p, s, n, old=g.Load.answered: old(self, p, b'202', n)); import uvloop, json, sys; uvloop.run(g.main(json.loads(sys.stdin.read())))"  # noqa: E501
    output = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps({**wanted, "payload": 1000}),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    report = json.loads(output.stdout)
    return {
        "figure": f"limit.http_pair_{rate}_per_second" if rate else "limit.http_pair",
        "per_second": report["per_second"],
        "p50_ms": report["p50"],
        "p99_ms": report["p99"],
    }
