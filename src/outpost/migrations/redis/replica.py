"""A replica: it takes no writes, and says which server does."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from outpost.clients.redis import Commands, RedisError, RedisReplyError
from outpost.migrations.errors import Refused
from outpost.migrations.redis.errors import code_of, redis_errors
from outpost.migrations.redis.health import read_facts


@asynccontextmanager
async def naming_primary(redis: Commands) -> AsyncGenerator[None]:
    """`redis_errors` for a block that writes: a replica that refuses is asked for its primary.

    Raises:
        Refused: The server is a replica, or anything else that `redis_errors` calls so.
    """
    with redis_errors():
        try:
            yield
        except RedisReplyError as error:
            if code_of(error) != "READONLY":
                raise
            raise Refused(
                f"redis {error.endpoint}: this is a read-only replica; set REDIS_HOST and REDIS_PORT to its primary, "
                f"{await _primary(redis)}"
            ) from None


async def _primary(redis: Commands) -> str:
    try:
        return primary_in(read_facts(await redis.command("INFO", "replication")))
    except RedisError:  # it may not be asked
        return primary_in({})


def primary_in(facts: Mapping[str, str]) -> str:
    """Return host and port of the primary, as a replica names it in INFO."""
    host = facts.get("master_host")
    return f"{host}:{facts.get('master_port')}" if host else "which it does not name"
