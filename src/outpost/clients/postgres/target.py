"""Where and how to connect, read from the strings that pgx and libpq accept.

    postgres://user:password@host:5432,other:5433/database?sslmode=require&pool_max_conns=20
    host=/run/postgresql user=outpost password='it''s' dbname=outpost

A deployment moves here with the string it has, so what pgx alone knows is understood or left out, never sent to the
server, which would refuse to start a session with it. No message quotes the string: any part may be the password.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode

_URL = re.compile(r"postgres(?:ql)?://([^/?#]*)(?:/([^?#]*))?(?:\?([^#]*))?(?:#.*)?", re.DOTALL)
_PAIR = re.compile(r"\s*([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)", re.DOTALL)
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

# pgx (pgconn, ParseConfig; pgxpool, ParseConfig) and libpq keep these to themselves. Those of them that mean something
# here are read first.
_OF_THE_CLIENT = {
    "channel_binding",
    "connect_timeout",
    "default_query_exec_mode",
    "description_cache_capacity",
    "fallback_application_name",
    "gssencmode",
    "krbspn",
    "max_protocol_version",
    "min_protocol_version",
    "min_read_buffer_size",
    "prefer_simple_protocol",
    "sslsni",
    "statement_cache_capacity",
    "statement_cache_mode",
}
_OF_THE_POOL = "pool_"
_ALIASES = {"dbname": "database"}


class InvalidTarget(ValueError):
    """The text is no connection string; the message says why, without quoting it."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A database and how to reach it. What is empty or None is left to the PG… variables and libpq's defaults.

    Attributes:
        hosts: Names, addresses, or folders of sockets, tried in order.
        ports: One for each host, or one for all.
        max_connections: Most connections of a pool.
        keeps_statements: Whether a session may keep prepared statements. Not behind a PgBouncer that shares sessions;
            a string that says `default_query_exec_mode=exec`, `simple_protocol` or the like is written for one.
        connect_timeout: Seconds.
        options: The rest: TLS, and settings of the session. May hold the password of a key.
    """

    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    user: str = ""
    password: str = field(default="", repr=False)
    database: str = ""
    max_connections: int | None = None
    keeps_statements: bool = True
    connect_timeout: float | None = None
    options: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @classmethod
    def parse(cls, text: str) -> "Target":
        """Read a URL or keyword/value pairs.

        Raises:
            InvalidTarget: It is neither, or a part of it cannot be.
        """
        given = _from_url(text) if text.startswith(("postgres://", "postgresql://")) else _from_pairs(text)
        if given.get("sslmode", "prefer") not in _SSL_MODES:
            raise InvalidTarget(f"sslmode must be one of: {', '.join(_SSL_MODES)}")
        hosts = tuple(filter(None, given.pop("host", "").split(",")))
        ports = tuple(_port(port) for port in given.pop("port", "").split(",") if port)
        if len(ports) > 1 and len(ports) != len(hosts):
            raise InvalidTarget("there must be one port for each host, or one for all")
        return cls(
            hosts=hosts,
            ports=ports,
            user=given.pop("user", ""),
            password=given.pop("password", ""),
            database=given.pop("database", ""),
            max_connections=_whole_number(given, "pool_max_conns", least=1),
            keeps_statements=_keeps_statements(given),
            connect_timeout=_whole_number(given, "connect_timeout", least=0) or None,
            options={
                name: value
                for name, value in given.items()
                if value and name not in _OF_THE_CLIENT and not name.startswith(_OF_THE_POOL)
            },
        )

    @property
    def address(self) -> str:
        """Hosts, ports and database for people, without user and password."""
        hosts = self.hosts or ("the default host",)
        ports = self.ports if len(self.ports) > 1 else (self.ports or (5432,)) * len(hosts)
        pairs = zip(hosts, ports, strict=True)
        places = (host if host.startswith("/") else f"{_bracketed(host)}:{port}" for host, port in pairs)
        return ",".join(places) + (f"/{self.database}" if self.database else "")

    @property
    def options_url(self) -> str:
        """`options` as a URL; asyncpg takes some of them no other way."""
        return "postgres://?" + urlencode(self.options) if self.options else "postgres://"


def _from_url(text: str) -> dict[str, str]:
    parts = _URL.fullmatch(text)
    if parts is None:
        raise InvalidTarget("the URL must look like postgres://user:password@host:5432/database")
    authority, path, query = parts[1], parts[2] or "", parts[3] or ""
    credentials, at, places = authority.rpartition("@")  # the last one, so that a password may hold others
    user, colon, password = credentials.partition(":")
    given: dict[str, str] = {}
    if at:
        given["user"] = _decoded(user)
    if colon:
        given["password"] = _decoded(password)
    hosts, ports = _hosts_and_ports(places)
    given |= {"host": hosts, "port": ports, "database": _decoded(path)}
    # Of a repeated name the first counts, as in Go.
    pairs = parse_qsl(query, keep_blank_values=True)
    return given | {_ALIASES.get(name, name): value for name, value in reversed(pairs)}


def _hosts_and_ports(places: str) -> tuple[str, str]:
    hosts: list[str] = []
    ports: list[str] = []
    for place in filter(None, places.split(",")):
        host, colon, port = place.rpartition(":")
        if not colon or port.endswith("]"):  # the colons of an IPv6 address
            host, port = place, ""
        hosts.append(_decoded(host).removeprefix("[").removesuffix("]"))
        ports.append(port or "5432")
    return ",".join(hosts), ",".join(ports)


def _decoded(text: str) -> str:
    if _BROKEN_ESCAPE.search(text):
        raise InvalidTarget("the URL is not correctly percent-encoded; write % as %25")
    return unquote(text)


def _from_pairs(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    position = 0
    text = text.rstrip()
    while position < len(text):
        pair = _PAIR.match(text, position)
        if pair is None:
            raise InvalidTarget("it is neither a postgres:// URL nor made of name=value pairs")
        value = pair[3] if pair[2] is None else pair[2]
        given[_ALIASES.get(pair[1], pair[1])] = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        position = pair.end()
    if not given:
        raise InvalidTarget("it is empty")
    return given


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536:
        return int(text)
    raise InvalidTarget("a port must be a whole number from 1 to 65535")


def _whole_number(given: Mapping[str, str], name: str, *, least: int) -> int | None:
    text = given.get(name, "")
    if not text:
        return None
    if text.isascii() and text.isdigit() and least <= int(text[:10]):
        return int(text[:10])
    raise InvalidTarget(f"{name} must be a whole number, at least {least}")


def _keeps_statements(given: Mapping[str, str]) -> bool:
    return (
        given.get("default_query_exec_mode", "cache_statement") == "cache_statement"
        and given.get("statement_cache_mode", "prepare") == "prepare"
        and given.get("statement_cache_capacity") != "0"
        and given.get("prefer_simple_protocol") != "true"
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
