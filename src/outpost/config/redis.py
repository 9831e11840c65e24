"""Settings of the Redis connection."""

from typing import Annotated, ClassVar

from outpost.config.setting import Key, Section


class RedisSettings(Section, frozen=True, kw_only=True):
    """Tenants, destinations, retries, claims and health counters of the distributed profile."""

    title: ClassVar[str] = "Redis (distributed profile)"

    host: Annotated[str, Key("REDIS_HOST", "redis.host", "Host name or address.")] = "127.0.0.1"
    port: Annotated[int, Key("REDIS_PORT", "redis.port", "Port.", minimum=1, maximum=65535)] = 6379
    username: Annotated[str, Key("REDIS_USERNAME", "redis.username", "User of the access control list.")] = ""
    password: Annotated[str, Key("REDIS_PASSWORD", "redis.password", "Password.", secret=True)] = ""
    database: Annotated[
        int,
        Key("REDIS_DATABASE", "redis.database", "Database number; a cluster has only one and ignores it."),
    ] = 0
    tls_enabled: Annotated[bool, Key("REDIS_TLS_ENABLED", "redis.tls_enabled", "Connect with TLS 1.2 or newer.")] = (
        False
    )
    tls_verify: Annotated[
        bool,
        Key(
            "REDIS_TLS_VERIFY",
            "redis.tls_verify",
            "Check the server's certificate and name. Off is open to anyone on the way.",
        ),
    ] = True
    tls_ca_file: Annotated[
        str,
        Key(
            "REDIS_TLS_CA_FILE",
            "redis.tls_ca_file",
            "PEM file of the authorities to trust.",
            default_text="those of the system",
        ),
    ] = ""
    cluster_enabled: Annotated[
        bool,
        Key("REDIS_CLUSTER_ENABLED", "redis.cluster_enabled", "The host is one node of a Redis Cluster."),
    ] = False
    dev_cluster_host_override: Annotated[
        bool,
        Key(
            "REDIS_DEV_CLUSTER_HOST_OVERRIDE",
            "redis.dev_cluster_host_override",
            "Reach every node of a cluster at the configured host, on the port it announces.",
        ),
    ] = False
