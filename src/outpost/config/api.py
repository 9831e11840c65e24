"""Settings of the HTTP API."""

from typing import Annotated, ClassVar

from outpost.config import checks
from outpost.config.setting import Key, Section


class ApiSettings(Section, frozen=True, kw_only=True):
    """The HTTP server and who may call it."""

    title: ClassVar[str] = "HTTP API"

    port: Annotated[
        int,
        Key(
            "API_PORT",
            "api_port",
            "Port of the HTTP server, in every role; 0 takes a free one.",
            maximum=65535,
        ),
    ] = 3333
    key: Annotated[
        str,
        Key(
            "API_KEY",
            "api_key",
            "Key of the operator, sent as bearer token. Required by `serve` where it answers the API, unless "
            "`ALLOW_OPEN_API` is on.",
            secret=True,
        ),
    ] = ""
    jwt_secret: Annotated[
        str,
        Key(
            "API_JWT_SECRET",
            "api_jwt_secret",
            "Signs the tokens that let a tenant into the portal. Required by `serve` where it answers the API.",
            secret=True,
        ),
    ] = ""
    allow_open: Annotated[
        bool,
        Key(
            "ALLOW_OPEN_API",
            "allow_open_api",
            "Serve without `API_KEY`: every caller is the operator. Only behind something that authenticates.",
        ),
    ] = False
    max_body_bytes: Annotated[
        int,
        Key(
            "MAX_BODY_BYTES",
            "max_body_bytes",
            "Largest body of an event to publish; above it 413. Other bodies end at 256 KiB.",
            unit="bytes",
            minimum=1,
        ),
    ] = 10 * 1024 * 1024
    trusted_proxies: Annotated[
        tuple[str, ...],
        Key(
            "TRUSTED_PROXIES",
            "trusted_proxies",
            "Networks whose `X-Forwarded-*` headers are believed.",
            check=checks.network,
        ),
    ] = ()
    gin_mode: Annotated[
        str,
        Key("GIN_MODE", "gin_mode", "Mode of a web framework that is not used here.", ignored=True),
    ] = "release"
