"""What the operator decides about webhooks, checked when the process starts."""

import re
from datetime import timedelta
from typing import Literal

import msgspec

from outpost.domain.errors import ConfigurationError

HEADER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*", re.ASCII)
HTTP_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
"""RFC 9110, 5.6.2: what HTTP takes for the name of a header."""

RESERVED_HEADERS = frozenset(("content-type", "content-length", "host", "connection", "user-agent"))
SYSTEM_KEYS = ("event-id", "topic", "timestamp")


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the `webhook` type.

    Attributes:
        header_prefix: Empty means the mode's own; blanks only mean none.
        event_id_header_name: None means prefix and key, empty or blank switches the header off; so do the other three.
        signing_secret_template: Makes the secret of a new destination (default mode).
        max_response_body_bytes: A longer answer is not stored; 0 stores any.
        timeout: For connecting, sending and receiving together.
    """

    mode: Literal["default", "standard"] = "default"
    header_prefix: str = ""
    event_id_header_name: str | None = None
    signature_header_name: str | None = None
    timestamp_header_name: str | None = None
    topic_header_name: str | None = None
    signature_content_template: str = "{{.Body}}"
    signature_header_template: str = 'v0={{.Signatures | join ","}}'
    signature_encoding: Literal["hex", "base64"] = "hex"
    signature_algorithm: Literal["hmac-sha256", "hmac-sha1"] = "hmac-sha256"
    signing_secret_template: str = "whsec_{{.RandomHex}}"
    max_response_body_bytes: int = 131_072
    user_agent: str = "Outpost"
    timeout: timedelta = timedelta(seconds=5)
    include_millisecond_timestamp: bool = False
    follow_redirects: bool = False
    metadata_path: str = ""

    @property
    def prefix(self) -> str:
        if not self.header_prefix:
            return "x-outpost-" if self.mode == "default" else "webhook-"
        return self.header_prefix.strip().lower()

    def header_names(self) -> dict[str, str | None]:
        """Return the header of each system key and of the signature; None where it is switched off.

        Standard mode has fixed names behind its prefix.

        Raises:
            ConfigurationError: A name is not one, is reserved, or stands twice.
        """
        prefix = self.prefix
        if prefix and not HTTP_TOKEN.fullmatch(prefix):
            raise ConfigurationError(f"DESTINATIONS_WEBHOOK_HEADER_PREFIX: {prefix!r} cannot begin a header name")
        if self.mode == "standard":
            return {key: prefix + key.removeprefix("event-") for key in ("event-id", "topic", "timestamp", "signature")}
        wanted = {
            "event-id": self.event_id_header_name,
            "topic": self.topic_header_name,
            "timestamp": self.timestamp_header_name,
            "signature": self.signature_header_name,
        }
        names: dict[str, str | None] = {}
        for key, name in wanted.items():
            names[key] = prefix + key if name is None else _checked(key, name.strip().lower())
        used = [name for name in names.values() if name]
        for name in used:
            if used.count(name) > 1:
                raise ConfigurationError(f"two webhook headers have the name {name}; give each a name of its own")
        return names


def _checked(key: str, name: str) -> str | None:
    if not name:
        return None
    setting = f"DESTINATIONS_WEBHOOK_{key.upper().replace('-', '_')}_HEADER_NAME"
    if not HEADER_NAME.fullmatch(name):
        raise ConfigurationError(f"{setting}: {name!r} is not a header name; use letters, digits, - and _")
    if name in RESERVED_HEADERS:
        raise ConfigurationError(f"{setting}: {name} is reserved; choose another name")
    return name
