"""Settings of the ClickHouse connection."""

from typing import Annotated, ClassVar

import msgspec

from outpost.config import checks
from outpost.config.setting import Key, Section

# The configured address names the native port; this program speaks HTTP to the port that usually goes with it.
_HTTP_PORTS = {"": "8123", "9000": "8123", "9440": "8443"}


class ClickHouseSettings(Section, frozen=True, kw_only=True):
    """Events and attempts; it is the log store when Postgres is configured too."""

    title: ClassVar[str] = "ClickHouse (distributed profile)"

    addr: Annotated[str, Key("CLICKHOUSE_ADDR", "clickhouse.addr", "`host:port` of the server.")] = ""
    http_url: Annotated[
        str,
        Key(
            "CLICKHOUSE_HTTP_URL",
            "clickhouse.http_url",
            "Where the server answers HTTP.",
            url=True,
            check=checks.http_url,
            default_text="from `CLICKHOUSE_ADDR`; port 9000 becomes 8123, 9440 becomes 8443",
        ),
    ] = ""
    username: Annotated[str, Key("CLICKHOUSE_USERNAME", "clickhouse.username", "User.")] = ""
    password: Annotated[str, Key("CLICKHOUSE_PASSWORD", "clickhouse.password", "Password.", secret=True)] = ""
    database: Annotated[str, Key("CLICKHOUSE_DATABASE", "clickhouse.database", "Database.")] = "outpost"
    cluster: Annotated[
        str,
        Key(
            "CLICKHOUSE_CLUSTER",
            "clickhouse.cluster",
            "Cluster of replicas, as in `system.clusters`: tables are made replicated, and changed on all of it. Leave "
            "it empty on one server and on ClickHouse Cloud.",
        ),
    ] = ""
    tls_enabled: Annotated[bool, Key("CLICKHOUSE_TLS_ENABLED", "clickhouse.tls_enabled", "Connect with TLS.")] = False
    log_retention_ttl_days: Annotated[
        int,
        Key(
            "CLICKHOUSE_LOG_RETENTION_TTL_DAYS",
            "clickhouse_log_retention_ttl_days",
            "Events and attempts in ClickHouse are dropped after this time; 0 keeps them.",
            unit="days",
        ),
    ] = 0

    def __post_init__(self) -> None:
        if self.addr and not self.http_url:
            msgspec.structs.force_setattr(self, "http_url", self._http_url_from_address())

    @property
    def http_url_origin(self) -> str:
        """Where the HTTP address comes from, for people who look for a mistake in it."""
        if not self.addr or self.http_url != self._http_url_from_address():
            return "from CLICKHOUSE_HTTP_URL"
        return (
            f"from CLICKHOUSE_ADDR {self.addr}: Outpost speaks HTTP, to port 8123 where the address names 9000, to "
            "8443 where it names 9440, to any other port as it is; CLICKHOUSE_HTTP_URL names another"
        )

    def _http_url_from_address(self) -> str:
        host, colon, port = self.addr.rpartition(":")
        if not colon or port.endswith("]"):  # no port, or the colons of a bare IPv6 address in brackets
            host, port = self.addr, ""
        secure = self.tls_enabled or port == "9440"
        http_port = _HTTP_PORTS.get(port, port) if port or not secure else "8443"
        return f"{'https' if secure else 'http'}://{host}:{http_port}"
