"""What real installations of the original program had planned."""

from tests.support.redis_store import snapshot

_ID_LENGTH = 32


def planned_by(release: str) -> dict[str, bytes]:
    """Return the retries that a release had planned: id and body."""
    queue = snapshot(release)[b"rsmq:deliverymq-retry:Q"].content
    return {name.decode(): body for name, body in queue.items() if len(name) == _ID_LENGTH}
