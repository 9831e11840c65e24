"""Whether two receivers in trouble slow down ten healthy ones: `python -m benchmarks.fairness [--seconds 10]`.

Ten tenants with one destination each get events at a fixed rate, first alone, then beside two tenants that get as many
as each of them, of whose destinations one never answers and one always refuses. The healthy p99 should not change. One
JSON line for each figure, of both profiles: embedded, and distributed with servers as `benchmarks.distributed` starts
them.
"""

import argparse
import json
import time
from typing import Any

from benchmarks.distributed import services
from benchmarks.pipeline import Bench, call, running

_HEALTHY = [f"healthy{number}" for number in range(10)]
_TROUBLED = {"hanging": "/hang", "refusing": "/refuse"}


def measure(bench: Bench, figure: str, troubled: list[str], *, rate: float, seconds: float) -> dict[str, Any]:
    """Publish, and tell how long events took to the healthy receivers.

    Args:
        rate: Events per second to the healthy ones together; those in trouble get theirs on top of it.
    """
    call("POST", f"{bench.receiver}/reset", {})
    tenants = _HEALTHY + troubled
    published = bench.load(tenants, rate=rate * len(tenants) / len(_HEALTHY), seconds=seconds)
    expected = published["accepted"] * len(_HEALTHY) // len(tenants)
    received = bench.until_received(expected, seconds=20)
    return {
        "figure": figure,
        "rate": rate,
        "refused": published["refused"],
        "healthy_expected": expected,
        "healthy_delivered": received["count"],
        "healthy_p50_ms": received["p50"],
        "healthy_p99_ms": received["p99"],
        "healthy_max_ms": received["max"],
    }


def compare(bench: Bench, profile: str, *, rate: float, seconds: float) -> None:
    for tenant in _HEALTHY:
        bench.add_destination(tenant, "/ok")
    for tenant, path in _TROUBLED.items():
        bench.add_destination(tenant, path)
    measure(bench, "warm-up", [], rate=100, seconds=2)
    for name, troubled in {"alone": [], "beside_one_that_hangs_and_one_that_refuses": list(_TROUBLED)}.items():
        time.sleep(1)
        figure = measure(bench, f"fairness.{profile}.{name}", troubled, rate=rate, seconds=seconds)
        print(json.dumps(figure), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=300)
    options = parser.parse_args()
    with running() as bench:
        compare(bench, "embedded", rate=options.rate, seconds=options.seconds)
    with services() as servers, running(servers.settings) as bench:
        compare(bench, "distributed", rate=options.rate, seconds=options.seconds)


if __name__ == "__main__":
    main()
