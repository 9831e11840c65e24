"""What is done about an error from a cluster."""

import pytest

from outpost.clients.redis.errors import RedisConnectionLost, RedisError, RedisNotConnected, error_of_reply
from outpost.clients.redis.redirect import Ask, GiveUp, Later, Moved, next_step


@pytest.mark.parametrize(
    ("reply", "step"),
    [
        ("MOVED 3999 10.0.0.1:6381", Moved(3999, "10.0.0.1:6381")),
        ("ASK 3999 10.0.0.1:6381", Ask("10.0.0.1:6381")),
        ("MOVED 3999 :6381", Moved(3999, ":6381")),
        ("TRYAGAIN Multiple keys request during rehashing of slot", Later(refresh=False)),
        ("LOADING Redis is loading the dataset in memory", Later(refresh=False)),
        ("CLUSTERDOWN Hash slot not served", Later(refresh=True)),
        ("MASTERDOWN Link with MASTER is down", Later(refresh=True)),
        ("READONLY You can't write against a read only replica.", Later(refresh=True)),
        ("WRONGTYPE Operation against a key", GiveUp()),
        ("CROSSSLOT Keys in request don't hash to the same slot", GiveUp()),
        ("MOVED", GiveUp()),
        ("MOVED 16384 10.0.0.1:6381", GiveUp()),
        ("MOVED -1 10.0.0.1:6381", GiveUp()),
        ("ASK 1 nowhere", GiveUp()),
    ],
)
def test_a_reply_leads_to(reply: str, step: Moved | Ask | Later | GiveUp) -> None:
    assert next_step(error_of_reply("node:1", reply)) == step


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (RedisNotConnected("node:1", "refused"), Later(refresh=True)),
        (RedisConnectionLost("node:1", "closed"), GiveUp(refresh=True)),
    ],
)
def test_only_what_was_not_sent_is_sent_again(error: RedisError, step: Later | GiveUp) -> None:
    assert next_step(error) == step
