"""The names of a queue's keys."""

import pytest

from outpost.clients.redis import slot_of
from outpost.schedulers.redis_layout import queue_keys


def test_the_names_are_those_of_rsmq() -> None:
    keys = queue_keys("deliverymq-retry", prefix="dp_001:", on_cluster=False)

    assert (keys.entries, keys.content, keys.queues, keys.dead_queue, keys.dead_entries, keys.dead_content) == (
        b"dp_001:rsmq:deliverymq-retry",
        b"dp_001:rsmq:deliverymq-retry:Q",
        b"dp_001:rsmq:QUEUES",
        "deliverymq-retry-dlq",
        b"dp_001:rsmq:deliverymq-retry-dlq",
        b"dp_001:rsmq:deliverymq-retry-dlq:Q",
    )


def test_on_a_cluster_all_keys_lie_together() -> None:
    keys = queue_keys("deliverymq-retry", prefix="dp_001:", on_cluster=True)
    names = [keys.entries, keys.content, keys.queues, keys.dead_entries, keys.dead_content]

    assert len({slot_of(name) for name in names}) == 1
    assert len(set(names)) == 5


@pytest.mark.parametrize("name", ["", "a b", "a:b", "{a}", "x" * 157])
def test_a_name_that_rsmq_refuses_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name of a queue"):
        queue_keys(name, prefix="", on_cluster=False)
