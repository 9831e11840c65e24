"""What is read from INFO."""

import pytest

from outpost.migrations.redis.health import read_info
from outpost.migrations.throttle import Health

INFO = b"""# Memory\r
used_memory:500\r
maxmemory:1000\r
rdb_bgsave_in_progress:1\r
role:master\r
connected_slaves:2\r
slave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=4\r
slave1:ip=10.0.0.3,port=6379,state=wait_bgsave,offset=0,lag=90\r
"""


def test_the_slowest_replica_that_is_online_counts() -> None:
    assert read_info(INFO) == Health(replica_lag_seconds=4.0, memory_share=0.5, saving=True)


def test_a_server_without_limit_or_replicas_holds_nobody_back() -> None:
    assert read_info(b"used_memory:500\r\nmaxmemory:0\r\n") == Health()


@pytest.mark.parametrize(("clients", "alone"), [(b"1", True), (b"2", True), (b"3", False), (b"0", False)])
def test_a_run_has_two_connections_and_is_alone_where_there_are_no_more(clients: bytes, alone: bool) -> None:
    assert read_info(b"connected_clients:%b\r\n" % clients).alone is alone


def test_where_it_is_not_told_others_are_assumed() -> None:
    assert not read_info(b"").alone
