"""How long to wait before the next try."""

import random


def backoff(failures: int, *, first: float, longest: float) -> float:
    """Return seconds to wait after so many failures in a row: doubling, and half of it random.

    The random half keeps many clients of one server from coming back in step.
    """
    whole = min(longest, first * 2 ** min(failures - 1, 16))
    return whole * (0.5 + random.random() / 2)
