"""The embedded profile from the publisher's request to the receiver: `python -m benchmarks.pipeline [--seconds 10]`.

Starts `outpost serve` on a fresh file, its receiver and its generator as processes of their own, and prints one JSON
line per figure, the machine's limits first. All of it shares the machine's cores.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.limits import fixed_work, http_pair, paced_answer, sqlite_group_commits

KEY = "benchmark"
ROOT = Path(__file__).parent.parent


def call(method: str, url: str, body: Any = None) -> Any:
    request = urllib.request.Request(
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        content = answer.read()
    return json.loads(content) if content[:1] in (b"{", b"[") else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Bench:
    """A running Outpost with a receiver."""

    def __init__(self, folder: Path, stores: Mapping[str, str] | None = None) -> None:
        """Args:
        stores: The settings that choose its stores; by default a file in `folder`.
        """
        self.port = free_port()
        self.receiver_port = free_port()
        self.api = f"http://127.0.0.1:{self.port}/api/v1"
        self.receiver = f"http://127.0.0.1:{self.receiver_port}"
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            "API_KEY": KEY,
            "API_JWT_SECRET": "benchmark",
            "AES_ENCRYPTION_SECRET": "benchmark",
            "API_PORT": str(self.port),
            "EGRESS_ALLOW": "127.0.0.0/8",
            "TOPICS": "user.created",
            **(stores or {"SQLITE_PATH": str(folder / "outpost.db")}),
        }
        outpost = [sys.executable, "-m", "outpost"]
        subprocess.run([*outpost, "migrate", "apply", "--yes"], env=environment, check=True, stdout=subprocess.DEVNULL)
        with (folder / "outpost.log").open("wb") as log:
            self.outpost = subprocess.Popen([*outpost, "serve"], env=environment, stdout=log, stderr=log)
        self.receiving = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.receiver", str(self.receiver_port)], env=environment
        )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                call("GET", f"{self.api}/healthz")
                call("POST", f"{self.receiver}/reset", {})
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def add_destination(self, tenant: str, path: str) -> None:
        call("PUT", f"{self.api}/tenants/{tenant}", {})
        wanted = {"type": "webhook", "topics": ["*"], "config": {"url": self.receiver + path}}
        call("POST", f"{self.api}/tenants/{tenant}/destinations", wanted)

    def load(self, tenants: list[str], *, rate: float, seconds: float, payload: int = 1000) -> dict[str, Any]:
        wanted = {
            "port": self.port,
            "key": KEY,
            "tenants": tenants,
            "rate": rate,
            "seconds": seconds,
            "connections": 128,
            "payload": payload,
        }
        output = subprocess.run(
            [sys.executable, "-m", "benchmarks.generator"],
            input=json.dumps(wanted),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd=ROOT,
        )
        return json.loads(output.stdout)

    def until_received(self, count: int, seconds: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            stats = call("GET", f"{self.receiver}/stats")
            if stats["count"] >= count or time.monotonic() > deadline:
                return stats
            time.sleep(0.1)

    def measure(
        self, figure: str, tenants: list[str], *, rate: float, seconds: float, payload: int = 1000, fan_out: int = 1
    ) -> dict[str, Any]:
        """Publish, wait until all has arrived, and tell rate, latency and what it cost."""
        call("POST", f"{self.receiver}/reset", {})
        process = psutil.Process(self.outpost.pid)
        before = process.cpu_times()
        published = self.load(tenants, rate=rate, seconds=seconds, payload=payload)
        expected = published["accepted"] * fan_out
        received = self.until_received(expected)
        after = process.cpu_times()
        cpu = after.user + after.system - before.user - before.system
        return {
            "figure": figure,
            "rate": rate or "saturation",
            "accepted": published["accepted"],
            "refused": published["refused"],
            "accept_p50_ms": published["p50"],
            "accept_p99_ms": published["p99"],
            "accepted_per_second": published["per_second"],
            "delivered": received["count"],
            "lost": expected - received["count"],
            "delivered_per_second": round(received["count"] / max(received["last"] - published["started"], 0.001), 1),
            "end_to_end_p50_ms": received["p50"],
            "end_to_end_p99_ms": received["p99"],
            "app_cpu_us_per_event": round(cpu / max(received["count"], 1) * 1e6, 1),
            "rss_mb": round(process.memory_info().rss / 1e6, 1),
        }

    def stop(self) -> None:
        for process in (self.outpost, self.receiving):
            process.terminate()
            process.wait(timeout=40)


def figures(profile: str) -> Sequence[tuple[str, dict[str, Any]]]:
    """Return what is measured, by name, with the arguments of `Bench.measure`."""
    return [
        *((f"{profile}.{rate}_per_second", {"tenants": ["one"], "rate": rate}) for rate in (50, 200, 500, 1000)),
        (f"{profile}.saturation", {"tenants": ["one"], "rate": 0}),
        (f"{profile}.saturation_7kb", {"tenants": ["one"], "rate": 0, "payload": 7000}),
        (f"{profile}.saturation_fan_out_10", {"tenants": ["ten"], "rate": 0, "fan_out": 10}),
    ]


@contextmanager
def running(stores: Mapping[str, str] | None = None) -> Iterator[Bench]:
    """A fresh Outpost with one tenant that has a destination, and one that has ten; warm, and in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), stores)
        try:
            bench.add_destination("one", "/ok")
            for number in range(10):
                bench.add_destination("ten", f"/ok?{number}")
            bench.measure("warm-up", ["one"], rate=100, seconds=2)
            yield bench
        finally:
            bench.stop()


def options(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--only", default="", help="measure only the figures whose name contains this text")
    return parser.parse_args()


def main() -> None:
    chosen = options(__doc__)
    with running() as bench:
        print(json.dumps(sqlite_group_commits()), flush=True)
        print(json.dumps(http_pair(bench.receiver_port)), flush=True)
        print(json.dumps(http_pair(bench.receiver_port, rate=200, seconds=8)), flush=True)
        print(json.dumps(fixed_work()), flush=True)
        print(json.dumps(paced_answer()), flush=True)
        for name, arguments in figures("embedded"):
            if chosen.only in name:
                print(json.dumps(bench.measure(name, seconds=chosen.seconds, **arguments)), flush=True)


if __name__ == "__main__":
    main()
