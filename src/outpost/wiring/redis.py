"""Clients for the configured Redis."""

from ssl import SSLContext

from outpost.clients.redis import Admit, Redis, RedisClient, RedisCluster, RedisOptions, tls_context
from outpost.config.redis import RedisSettings
from outpost.config.settings import Settings
from outpost.domain.errors import ConfigurationError


def redis_client(settings: RedisSettings, *, name: str, admit: Admit | None = None) -> Redis:
    """Return a client for the server or the cluster; nothing is opened.

    Args:
        name: Shown by the server's list of clients.
        admit: See `RedisOptions`.

    Raises:
        ConfigurationError: The file of authorities cannot be read.
    """
    options = RedisOptions(
        host=settings.host,
        port=settings.port,
        username=settings.username,
        password=settings.password,
        database=settings.database,
        tls=_tls(settings) if settings.tls_enabled else None,
        name=name,
        admit=admit,
    )
    if settings.cluster_enabled:
        return RedisCluster(options, keep_host=settings.dev_cluster_host_override)
    return RedisClient(options)


def _tls(settings: RedisSettings) -> SSLContext:
    try:
        return tls_context(ca_file=settings.tls_ca_file, verify=settings.tls_verify)
    except OSError as error:  # also that it holds no certificate
        reason = error.strerror or error
        raise ConfigurationError(f"REDIS_TLS_CA_FILE: {settings.tls_ca_file} cannot be read: {reason}") from None


def key_prefix(settings: Settings) -> str:
    """Return what every key of this deployment begins with."""
    deployment_id = settings.general.deployment_id
    return f"{deployment_id}:" if deployment_id else ""
