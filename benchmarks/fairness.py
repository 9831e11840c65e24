"""Whether two receivers in trouble slow down eight healthy ones: `python -m benchmarks.fairness [--seconds 10]`.

Ten tenants with one destination each get the same traffic, first all healthy, then one of them never answering and
one always refusing. The healthy p99 must not change.
"""

import argparse
import json
import time
from typing import Any

from benchmarks.pipeline import Bench, call, running

_HEALTHY = [f"healthy{number}" for number in range(8)]


def measure(bench: Bench, figure: str, troubled: list[str], *, rate: float, seconds: float) -> dict[str, Any]:
    call("POST", f"{bench.receiver}/reset", {})
    tenants = _HEALTHY + troubled
    published = bench.load(tenants, rate=rate, seconds=seconds)
    expected = published["accepted"] * len(_HEALTHY) // len(tenants)
    received = bench.until_received(expected, seconds=20)
    return {
        "figure": figure,
        "rate": rate,
        "healthy_expected": expected,
        "healthy_delivered": received["count"],
        "healthy_p50_ms": received["p50"],
        "healthy_p99_ms": received["p99"],
        "healthy_max_ms": received["max"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=500)
    options = parser.parse_args()
    with running() as bench:
        for tenant in _HEALTHY:
            bench.add_destination(tenant, "/ok")
        bench.add_destination("hanging", "/hang")
        bench.add_destination("refusing", "/refuse")
        measure(bench, "warm-up", [], rate=100, seconds=2)
        arguments = {"rate": options.rate, "seconds": options.seconds}
        print(json.dumps(measure(bench, "fairness.all_healthy", [], **arguments)), flush=True)
        time.sleep(1)
        report = measure(bench, "fairness.one_hangs_one_refuses", ["hanging", "refusing"], **arguments)
        print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
