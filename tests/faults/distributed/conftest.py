"""Servers that every fault here is tried on, one after the other; each test leaves them running."""

from collections.abc import Iterator

import pytest

from tests.support.deployment import Servers, running_servers


@pytest.fixture(scope="package")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running_servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers
