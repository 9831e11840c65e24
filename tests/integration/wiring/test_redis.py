"""The client for the configured Redis."""

from contextlib import aclosing

import pytest

from outpost.clients.redis import RedisNotConnected
from outpost.config.redis import RedisSettings
from outpost.wiring.redis import redis_client
from tests.support.servers.redis import RedisServer


async def test_the_certificate_of_a_server_counts_unless_that_is_switched_off(redis_tls_server: RedisServer) -> None:
    """FIX-32."""
    port = redis_tls_server.port
    certificates = redis_tls_server.certificates
    assert certificates is not None
    trusting = RedisSettings(port=port, tls_enabled=True, tls_ca_file=str(certificates.ca_file))
    careless = RedisSettings(port=port, tls_enabled=True, tls_verify=False)

    async with aclosing(redis_client(RedisSettings(port=port, tls_enabled=True), name="outpost")) as redis:
        with pytest.raises(RedisNotConnected, match="TLS failed"):
            await redis.command("PING")
    for settings in (trusting, careless):
        async with aclosing(redis_client(settings, name="outpost")) as redis:
            assert await redis.command("PING") == b"PONG"
