"""How long a retry that could not be run is put off, and when it is given up."""

from datetime import timedelta

MOST_TAKES = 5
LONGEST_PAUSE = timedelta(minutes=15)


def retry_pause(takes: int, visibility: timedelta) -> timedelta | None:
    """Return how long to hide an entry that was taken out `takes` times (from 1), or None to give it up.

    Pipeline specification, 8.4.
    """
    return None if takes > MOST_TAKES else min(visibility * 2 ** (takes - 1), LONGEST_PAUSE)
