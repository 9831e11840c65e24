"""What holds for every test."""

import asyncio
import inspect
from collections.abc import AsyncIterator

import pytest

pytest_plugins = [
    "tests.support.image",
    "tests.support.server_fixtures",
    "tests.support.servers.redis",
    "tests.support.stand_ins",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests marked `long`, which take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="takes minutes; runs only with --long"))


@pytest.fixture(autouse=True)
def way_out(request: pytest.FixtureRequest) -> None:
    """Let each async test be followed by `_no_task_is_left`.

    Asked for here, first of all fixtures, so that it looks after every other fixture has cleaned up. Not itself async
    and autouse, which would give each plain test an event loop.
    """
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_no_task_is_left")


@pytest.fixture
async def _no_task_is_left() -> AsyncIterator[None]:
    """Fail a test that leaves a task running: nobody would see how it ends."""
    yield
    left = _other_tasks()
    for _ in range(3):  # a task that was just cancelled needs a turn or two of the loop to end
        if left:
            await asyncio.sleep(0)
            left = _other_tasks()
    if left:
        pytest.fail("left running: " + ", ".join(sorted(repr(task.get_coro()) for task in left)), pytrace=False)


def _other_tasks() -> set[asyncio.Task[object]]:
    current = asyncio.current_task()
    return {task for task in asyncio.all_tasks() if task is not current}
