"""Whether two receivers in trouble slow down ten healthy ones: `python -m benchmarks.fairness [--seconds 10]`.

Ten tenants with one destination each get events at a fixed rate: by turns alone, and beside two tenants that get as
many as each of them, of whose destinations one never answers and one always refuses. The healthy p99 should not change.
Turns make the two comparable on a machine that is not the same from one minute to the next. One JSON line for each
figure, of both profiles: embedded, and distributed with servers as `benchmarks.distributed` starts them.
"""

import argparse
import time
from statistics import median
from typing import Any

from benchmarks.command import tell
from benchmarks.distributed import services
from benchmarks.pipeline import Bench, call, running

_HEALTHY = [f"healthy{number}" for number in range(10)]
_TROUBLED = {"hanging": "/hang", "refusing": "/refuse"}


_SETTINGS: dict[str, list[str]] = {"alone": [], "beside_one_that_hangs_and_one_that_refuses": list(_TROUBLED)}


def measure(bench: Bench, troubled: list[str], *, rate: float, seconds: float) -> dict[str, Any]:
    """Publish, and tell how long events took to the healthy receivers.

    Args:
        rate: Events per second to the healthy ones together; those in trouble get theirs on top of it.
    """
    call("POST", f"{bench.receiver}/reset", {})
    tenants = _HEALTHY + troubled
    published = bench.load(tenants, rate=rate * len(tenants) / len(_HEALTHY), seconds=seconds)
    expected = published["accepted"] * len(_HEALTHY) // len(tenants)
    received = bench.until_received(expected, seconds=20)
    return {**received, "refused": published["refused"], "expected": expected}


def compare(bench: Bench, profile: str, *, rate: float, seconds: float, rounds: int) -> None:
    for tenant in _HEALTHY:
        bench.add_destination(tenant, "/ok")
    for tenant, path in _TROUBLED.items():
        bench.add_destination(tenant, path)
    measure(bench, [], rate=100, seconds=2)  # warm-up
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in _SETTINGS}
    for _ in range(rounds):
        for name, troubled in _SETTINGS.items():
            measured[name].append(measure(bench, troubled, rate=rate, seconds=seconds))
            time.sleep(1)
    for name, of_name in measured.items():
        tell(f"fairness.{profile}.{name}", rate=rate, **summary(of_name))


def summary(measured: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums and the medians of what the rounds measured, and the p99 of each."""
    return {
        "refused": sum(each["refused"] for each in measured),
        "healthy_expected": sum(each["expected"] for each in measured),
        "healthy_delivered": sum(each["count"] for each in measured),
        "healthy_p50_ms": round(median(each["p50"] for each in measured), 1),
        "healthy_p99_ms": round(median(each["p99"] for each in measured), 1),
        "healthy_p99_ms_of_each_round": [each["p99"] for each in measured],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=300)
    options = parser.parse_args()
    arguments = {"rate": options.rate, "seconds": options.seconds, "rounds": options.rounds}
    with running() as bench:
        compare(bench, "embedded", **arguments)
    with services() as servers, running(servers.settings) as bench:
        compare(bench, "distributed", **arguments)


if __name__ == "__main__":
    main()
