"""A server for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.support.api import InProcessOutpost, running_api


@pytest.fixture
async def outpost() -> AsyncIterator[InProcessOutpost]:
    """A server with three topics, no wildcards, at most twenty destinations, and no tenant yet."""
    async with running_api() as running:
        yield running
