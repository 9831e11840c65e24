"""Redis for the drivers that live in it."""

from tests.integration.stores.conftest import cluster, redis, single

__all__ = ["cluster", "redis", "single"]
