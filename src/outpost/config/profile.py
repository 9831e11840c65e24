"""Which set of stores a configuration chooses. It is never a guess that could hide a missing secret."""

from collections.abc import Sequence

from outpost.config.general import Profile
from outpost.domain.errors import ConfigurationError

_HOW_TO_START = (
    "no store is configured; run `outpost dev` to try Outpost, or set SQLITE_PATH=/path/outpost.db (one process) "
    "or REDIS_HOST=... (Redis, a broker and Postgres or ClickHouse)"
)


def choose(said: Profile | None, *, embedded: Sequence[str], distributed: Sequence[str]) -> Profile:
    """Return the profile.

    Args:
        said: The setting PROFILE, None if unset.
        embedded: Names of settings in force that belong to the embedded profile.
        distributed: Names of settings in force that belong to Redis, a log store or a broker.

    Raises:
        ConfigurationError: Nothing is configured, or two profiles are.
    """
    match said:
        case None:
            return _derive(embedded, distributed)
        case "embedded":
            _refuse(said, distributed)
        case "distributed":
            _refuse(said, embedded)
        case "postgres":
            _refuse(said, [*embedded, *(name for name in distributed if name != "POSTGRES_URL")])
    return said


def _derive(embedded: Sequence[str], distributed: Sequence[str]) -> Profile:
    if embedded and distributed:
        raise ConfigurationError(
            f"{_some(embedded)} chooses the embedded profile and {_some(distributed)} the distributed one; "
            "remove one of them"
        )
    if distributed:
        return "distributed"
    if embedded:
        return "embedded"
    raise ConfigurationError(_HOW_TO_START)


def _refuse(said: Profile, foreign: Sequence[str]) -> None:
    if foreign:
        raise ConfigurationError(f"PROFILE is {said}, but {_some(foreign)} belongs to another profile; remove one")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
