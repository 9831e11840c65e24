"""What the errors of Redis mean to a schedule that lies in it."""

from collections.abc import Generator
from contextlib import contextmanager

from outpost.clients.redis import RedisError
from outpost.domain.errors import SchedulerUnavailable


@contextmanager
def scheduler_errors() -> Generator[None]:
    """Turn the client's errors into the one that the port promises.

    An answer that is an error (no memory left, read-only) counts like a server that is away: it may end once a person
    has looked, and no retry may be lost before.

    Raises:
        SchedulerUnavailable: Whether the change was made is unknown if the connection was lost before the answer.
    """
    try:
        yield
    except RedisError as error:
        raise SchedulerUnavailable("the retry schedule in Redis", str(error), server="Redis") from error
