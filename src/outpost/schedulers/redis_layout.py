"""The names of a queue's keys in Redis: those of RSMQ, which the original program uses.

    <prefix>rsmq:QUEUES          set: names of the queues
    <prefix>rsmq:<queue>         sorted set: id of an entry → from when on it can be taken, in Unix milliseconds
    <prefix>rsmq:<queue>:Q       hash: attributes and counters of the queue, and for each entry
                                     <id> = body    <id>:rc = how often it was taken    <id>:fr = when first
    <prefix>rsmq:<queue>-dlq, <prefix>rsmq:<queue>-dlq:Q      the same for the dead letters

On a cluster one script can change only keys of one slot, so there the name of the queue stands in braces in all of
them, and the set of names ends in `{<queue>}:QUEUES`. The original program does not run on a cluster.
"""

import re
from dataclasses import dataclass

_NAME = re.compile("[A-Za-z0-9_-]{1,156}")  # RSMQ allows 160, and the dead letters add four


@dataclass(frozen=True)
class QueueKeys:
    """The keys of one queue.

    Attributes:
        entries: The sorted set.
        content: The hash.
        dead_entries: The sorted set of the dead letters.
        dead_content: The hash of the dead letters.
        queues: The set of names.
    """

    queue: str
    dead_queue: str
    entries: bytes
    content: bytes
    dead_entries: bytes
    dead_content: bytes
    queues: bytes


def queue_keys(queue: str, *, prefix: str, on_cluster: bool) -> QueueKeys:
    """Return the keys of a queue.

    Args:
        prefix: The deployment id followed by a colon, or empty.

    Raises:
        ValueError: The name is not one that RSMQ allows.
    """
    if not _NAME.fullmatch(queue):
        raise ValueError(f"{queue!r} cannot be the name of a queue")
    start = f"{prefix}rsmq:"
    stem = f"{start}{{{queue}}}" if on_cluster else f"{start}{queue}"
    return QueueKeys(
        queue=queue,
        dead_queue=f"{queue}-dlq",
        entries=stem.encode(),
        content=f"{stem}:Q".encode(),
        dead_entries=f"{stem}-dlq".encode(),
        dead_content=f"{stem}-dlq:Q".encode(),
        queues=(f"{stem}:QUEUES" if on_cluster else f"{start}QUEUES").encode(),
    )
