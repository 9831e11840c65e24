"""Signatures over a webhook, so that the receiver can tell it is genuine.

    default mode    v0=<sig>,<sig>...      sig = encode(HMAC(secret as text, rendered content)), content: the body
    standard mode   v1,<sig> v1,<sig>...   sig = base64(HMAC-SHA256(decoded secret, "<id>.<seconds>.<body>"))

The first signature is by the present secret, the second by the previous one while it is still valid.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from outpost.destinations.webhook.settings import WebhookSettings
from outpost.destinations.webhook.template import Instant, Template, TemplateError, Value
from outpost.domain.errors import ConfigurationError

STANDARD_PREFIX = "whsec_"
_FIELDS = ("EventID", "Topic", "Timestamp")


Key = hmac.HMAC
"""A secret made ready: copied for each signature. `hmac.digest` would give the interpreter lock away each time."""


class Signer(Protocol):
    """Makes the value of the signature header."""

    def key(self, secret: str) -> Key:
        """Raises ValueError if the secret has not the form that the mode demands."""
        ...

    def sign(self, keys: Sequence[Key], *, event_id: str, topic: str, at: datetime, body: bytes) -> str:
        """Return the signatures by all keys, in their order.

        Raises:
            ValueError: The operator's templates cannot be rendered for this event.
        """
        ...


def signer(settings: WebhookSettings) -> Signer:
    """Return the signer of the configured mode.

    Raises:
        ConfigurationError: A template does not compile or render.
    """
    if settings.mode == "standard":
        return StandardSigner()
    return DefaultSigner(settings)


class DefaultSigner:
    """Signs as the templates say; the defaults take no template at all."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._digest = settings.signature_algorithm.removeprefix("hmac-")
        self._hex = settings.signature_encoding == "hex"
        plain = WebhookSettings()
        self._content = None
        self._header = None
        if settings.signature_content_template != plain.signature_content_template:
            self._content = _compiled("CONTENT", settings.signature_content_template, (*_FIELDS, "Body"))
        if settings.signature_header_template != plain.signature_header_template:
            self._header = _compiled("HEADER", settings.signature_header_template, (*_FIELDS, "Signatures"))
        try:
            keys = [self.key("one"), self.key("two")]
            self.sign(keys, event_id="evt", topic="topic", at=datetime.now(UTC), body=b"{}")
        except TemplateError as error:
            raise ConfigurationError(f"the webhook signature templates cannot be rendered: {error}") from None

    def key(self, secret: str) -> Key:
        return hmac.new(secret.encode(), digestmod=self._digest)

    def sign(self, keys: Sequence[Key], *, event_id: str, topic: str, at: datetime, body: bytes) -> str:
        fields: dict[str, Value] = {}
        if self._content is not None or self._header is not None:
            fields = {"EventID": event_id, "Topic": topic, "Timestamp": Instant(at)}
        content = body
        if self._content is not None:
            content = self._content.render({**fields, "Body": body.decode("utf-8", "replace")}).encode()
        digests = [_digest(key, content) for key in keys]
        signatures = [digest.hex() if self._hex else base64.b64encode(digest).decode() for digest in digests]
        if self._header is None:
            return "v0=" + ",".join(signatures)
        return self._header.render({**fields, "Signatures": list[Value](signatures)})


class StandardSigner:
    """Signs as Standard Webhooks says, "Verifying webhooks"."""

    def key(self, secret: str) -> Key:
        return hmac.new(standard_key(secret), digestmod="sha256")

    def sign(self, keys: Sequence[Key], *, event_id: str, topic: str, at: datetime, body: bytes) -> str:
        content = b"%s.%d.%s" % (event_id.encode(), int(at.timestamp()), body)
        return " ".join("v1," + base64.b64encode(_digest(key, content)).decode() for key in keys)


def _digest(key: Key, content: bytes) -> bytes:
    copy = key.copy()
    copy.update(content)
    return copy.digest()


def standard_key(secret: str) -> bytes:
    """Return the key inside `whsec_<base64>`; raises ValueError if it is not one."""
    encoded = secret.removeprefix(STANDARD_PREFIX)
    if encoded == secret:
        raise ValueError("a secret begins with whsec_")
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    if not key:
        raise ValueError("a secret has at least one byte")
    return key


def _compiled(part: str, text: str, fields: Sequence[str]) -> Template:
    setting = f"DESTINATIONS_WEBHOOK_SIGNATURE_{part}_TEMPLATE"
    if not text.strip():
        raise ConfigurationError(f"{setting} must not be empty")
    try:
        return Template(text, fields=fields)
    except TemplateError as error:
        raise ConfigurationError(f"{setting}: {error}") from None
