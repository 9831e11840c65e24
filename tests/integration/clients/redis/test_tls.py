"""TLS to one server."""

from pathlib import Path

import pytest

from outpost.clients.redis import RedisClient, RedisNotConnected, RedisOptions, tls_context
from tests.support.certificates import make_certificates
from tests.support.servers.redis import RedisServer


def _ca_file(server: RedisServer) -> str:
    assert server.certificates is not None
    return str(server.certificates.ca_file)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_trusted_server_is_spoken_to(redis_tls_server: RedisServer, host: str) -> None:
    tls = tls_context(ca_file=_ca_file(redis_tls_server))
    async with RedisClient(RedisOptions(host=host, port=redis_tls_server.port, tls=tls)) as redis:
        await redis.command("SET", "key", bytes(1024 * 1024))

        assert await redis.command("STRLEN", "key") == 1024 * 1024


async def test_a_server_whose_authority_is_unknown_is_refused(redis_tls_server: RedisServer) -> None:
    async with RedisClient(RedisOptions(port=redis_tls_server.port, tls=tls_context())) as redis:
        with pytest.raises(RedisNotConnected, match=r"TLS failed: .* certificate"):
            await redis.command("PING")


async def test_a_server_of_another_authority_is_refused(redis_tls_server: RedisServer, tmp_path: Path) -> None:
    other = str(make_certificates(tmp_path).ca_file)
    async with RedisClient(RedisOptions(port=redis_tls_server.port, tls=tls_context(ca_file=other))) as redis:
        with pytest.raises(RedisNotConnected, match="TLS failed"):
            await redis.command("PING")


async def test_verification_can_be_turned_off(redis_tls_server: RedisServer) -> None:
    tls = tls_context(verify=False)
    async with RedisClient(RedisOptions(port=redis_tls_server.port, tls=tls)) as redis:
        assert await redis.command("PING") == b"PONG"


async def test_a_server_without_tls_is_refused(redis_server: RedisServer) -> None:
    options = RedisOptions(port=redis_server.port, tls=tls_context(verify=False), connect_timeout=0.2)
    async with RedisClient(options) as redis:
        # It takes the first bytes of TLS for a command that has not ended yet.
        with pytest.raises(RedisNotConnected, match="no answer within"):
            await redis.command("PING")


async def test_a_server_with_tls_only_is_not_understood_without(redis_tls_server: RedisServer) -> None:
    async with RedisClient(RedisOptions(port=redis_tls_server.port, password="secret")) as redis:
        with pytest.raises(RedisNotConnected):
            await redis.command("PING")
