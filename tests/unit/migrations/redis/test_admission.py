"""Which servers a run may be connected to again."""

import asyncio
from typing import Any

import pytest

from outpost.clients.redis import RedisError, RedisNotReady, RedisReplyError
from outpost.migrations.redis.admission import Admission, CameBackEmpty

HERE, THERE = "127.0.0.1:1", "127.0.0.1:2"


class Server:
    """What a connection leads to."""

    def __init__(self, run_id: str, keys: int, error: RedisError | None = None) -> None:
        self._answers: dict[str, Any] = {"INFO": b"redis_version:7\r\nrun_id:%b\r\n" % run_id.encode(), "DBSIZE": keys}
        self._error = error

    def send(self, *command: str) -> asyncio.Future[Any]:
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._error is not None:
            reply.set_exception(self._error)
        else:
            reply.set_result(self._answers[command[0]])
        return reply


async def test_a_server_that_came_back_empty_is_refused_each_time_and_says_what_it_held() -> None:
    admission = Admission()
    await admission.admit(HERE, Server("a", 1_000).send)

    for _ in range(2):
        with pytest.raises(CameBackEmpty, match=r"127.0.0.1:1: .* it held 1,000 keys and holds 3"):
            await admission.admit(HERE, Server("b", 3).send)


@pytest.mark.parametrize(
    ("endpoint", "now"),
    [
        pytest.param(HERE, Server("b", 900), id="restarted with its data"),
        pytest.param(HERE, Server("a", 3), id="the same, whose keys were deleted"),
        pytest.param(THERE, Server("b", 3), id="another one"),
        pytest.param(HERE, Server("b", 3, RedisReplyError(HERE, "NOPERM no")), id="that does not tell"),
    ],
)
async def test_any_other_server_is_let_through(endpoint: str, now: Server) -> None:
    admission = Admission()
    await admission.admit(HERE, Server("a", 1_000).send)

    await admission.admit(endpoint, now.send)


async def test_a_server_that_still_loads_its_data_is_not_judged_yet() -> None:
    with pytest.raises(RedisNotReady):
        await Admission().admit(HERE, Server("a", 0, RedisNotReady(HERE, "LOADING it loads")).send)
