"""How to reach a broker."""

import ssl
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

_PORTS = {"amqp": 5672, "amqps": 5671}


@dataclass(frozen=True, kw_only=True)
class AmqpOptions:
    """One broker, a virtual host in it, and who we are there.

    Attributes:
        tls: For connections with TLS; see `tls_context`.
        server_name: Whose certificate is expected; empty means the host's.
        name: Shown by the broker's list of connections; empty means none.
        heartbeat: Seconds; a peer that is silent for twice as long counts as gone. The broker may want less; 0 leaves
            it to the broker.
        connect_timeout: Seconds for name lookup, connecting, TLS and login together.
    """

    host: str = "localhost"
    port: int = 5672
    user: str = "guest"
    password: str = field(default="guest", repr=False)
    virtual_host: str = "/"
    tls: ssl.SSLContext | None = None
    server_name: str = ""
    name: str = ""
    heartbeat: int = 10
    connect_timeout: float = 5.0

    @property
    def endpoint(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, url: str, *, name: str = "") -> "AmqpOptions":
        """Read `amqp://user:password@host:port/virtual-host`, each part percent-encoded and each but the host optional.

        `amqps` means TLS, whose certificate is verified. After a `?` may follow `heartbeat` (seconds),
        `connection_timeout` (milliseconds), `cacertfile`, `certfile`, `keyfile` and `server_name_indication`; others
        are ignored, as the brokers' own clients do.

        Raises:
            ValueError: It is no such URL. The message holds nothing of it.
            OSError: A file for TLS cannot be read, or holds no certificate or key.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
            extra = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            heartbeat, timeout = int(extra.get("heartbeat", 10)), int(extra.get("connection_timeout", 5000))
        except ValueError:  # what it says may hold a part of the password
            raise ValueError("the AMQP URL cannot be read; are all special characters percent-encoded?") from None
        if parts.scheme not in _PORTS:
            raise ValueError("the AMQP URL does not start with amqp:// or amqps://")
        return cls(
            host=unquote(parts.hostname or "localhost"),
            port=port or _PORTS[parts.scheme],
            user="guest" if parts.username is None else unquote(parts.username),
            password="guest" if parts.password is None else unquote(parts.password),
            virtual_host=unquote(parts.path[1:]) or "/",
            tls=_tls_of(extra) if parts.scheme == "amqps" else None,
            server_name=extra.get("server_name_indication", ""),
            name=name,
            heartbeat=min(max(heartbeat, 0), 0xFFFF),
            connect_timeout=timeout / 1000 if timeout > 0 else 5.0,
        )


def tls_context(*, ca_file: str = "", certificate_file: str = "", key_file: str = "") -> ssl.SSLContext:
    """Return a verifying context for TLS 1.2 or newer. Making one takes a while: share it.

    Args:
        ca_file: PEM file of the authorities to trust; empty means those of the system.
        certificate_file: PEM file that shows who we are; empty shows nothing.
        key_file: Its key; empty means that it is in the same file.

    Raises:
        OSError: A file cannot be read, or holds no certificate or key.
    """
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate_file:
        context.load_cert_chain(certificate_file, key_file or None)
    return context


def _tls_of(extra: dict[str, str]) -> ssl.SSLContext:
    return tls_context(
        ca_file=extra.get("cacertfile", ""),
        certificate_file=extra.get("certfile", ""),
        key_file=extra.get("keyfile", ""),
    )
