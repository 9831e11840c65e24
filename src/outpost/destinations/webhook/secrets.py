"""The secrets of a webhook: made, given, rotated; and who may do what.

A destination has a `secret`, and for a while after a rotation a `previous_secret` with the instant at which it ends.
"""

import base64
import os
import secrets
import string
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from outpost.codec import format_time, parse_time
from outpost.destinations.webhook.settings import WebhookSettings
from outpost.destinations.webhook.signature import STANDARD_PREFIX, standard_key
from outpost.destinations.webhook.template import Template, TemplateError
from outpost.domain.errors import ConfigurationError, ValidationFailed
from outpost.domain.tenant import StringMap
from outpost.ports.provider import DestinationChange

SECRET, PREVIOUS, INVALID_AT = KEPT = ("secret", "previous_secret", "previous_secret_invalid_at")
_OVERLAP = timedelta(hours=24)
_TRUE = ("true", "1", "on", "yes")
_FIELDS = ("RandomHex", "RandomBase64", "RandomAlphanumeric")


class SecretMaker:
    """Makes new secrets of the configured form."""

    def __init__(self, settings: WebhookSettings) -> None:
        """Raises ConfigurationError if the template cannot make one."""
        self._template: Template | None = None
        if settings.mode == "standard":
            return  # Standard Webhooks knows one form
        setting = "DESTINATIONS_WEBHOOK_SIGNING_SECRET_TEMPLATE"
        try:
            self._template = Template(settings.signing_secret_template, fields=_FIELDS)
            made = self.make()
        except TemplateError as error:
            raise ConfigurationError(f"{setting}: {error}") from None
        if not made.strip():
            raise ConfigurationError(f"{setting} must not be empty")

    def make(self) -> str:
        random = os.urandom(32)
        encoded = base64.b64encode(random).decode()
        if self._template is None:
            return STANDARD_PREFIX + encoded
        letters = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(32))
        return self._template.render(dict(zip(_FIELDS, (random.hex(), encoded, letters), strict=True)))


def prepared(change: DestinationChange, maker: SecretMaker) -> StringMap:
    """Return the credentials to store for a change.

    Raises:
        ValidationFailed: The caller may not make it.
    """
    wanted = change.wanted.credentials
    stored = change.stored.credentials if change.stored else {}
    if wanted.get("rotate_secret", "").lower() in _TRUE:
        return _rotated(change, stored, maker)
    if change.role != "admin":
        _forbid_changes(wanted, stored)
        kept = {name: stored[name] for name in KEPT if stored.get(name)}
    else:
        kept = {name: wanted[name] for name in KEPT if wanted.get(name)}
    if change.stored is not None and SECRET in change.sent_credentials and SECRET not in kept:
        raise ValidationFailed(f"credentials.{SECRET} is required")
    if not kept:
        kept = {SECRET: maker.make()}  # a destination is never left without one
    if PREVIOUS in kept and INVALID_AT not in kept and change.stored is not None:
        kept[INVALID_AT] = _in_a_day(change.now)
    return kept


def _rotated(change: DestinationChange, stored: Mapping[str, str], maker: SecretMaker) -> StringMap:
    if change.stored is None:
        raise ValidationFailed("credentials.rotate_secret failed invalid validation")
    if not stored.get(SECRET):
        raise ValidationFailed("credentials.secret is required")
    ends = change.sent_credentials.get(INVALID_AT)
    return {SECRET: maker.make(), PREVIOUS: stored[SECRET], INVALID_AT: str(ends) if ends else _in_a_day(change.now)}


def _forbid_changes(wanted: Mapping[str, str], stored: Mapping[str, str]) -> None:
    for name in KEPT:
        if wanted.get(name) and wanted[name] != stored.get(name):
            raise ValidationFailed(f"credentials.{name} is forbidden")


def problems(credentials: Mapping[str, Any], *, standard: bool) -> list[str]:
    """Return what is wrong with credentials that are to be stored."""
    secret, previous, ends = (credentials.get(name, "") for name in KEPT)
    if not secret:
        return ["credentials.secret is required"] if previous or ends else []
    found: list[str] = []
    for name, value in ((SECRET, secret), (PREVIOUS, previous)):
        if standard and value and not _is_standard(value):
            found.append(f"credentials.{name} failed pattern validation")
    if ends and not _is_time(ends):
        found.append(f"credentials.{INVALID_AT} failed pattern validation")
    elif previous and not ends:
        found.append(f"credentials.{INVALID_AT} is required")
    elif ends and not previous:
        found.append(f"credentials.{PREVIOUS} is required")
    return found


def ends_at(credentials: Mapping[str, str]) -> datetime | None:
    """Return when the previous secret ends; None if there is none."""
    if not credentials.get(PREVIOUS) or not credentials.get(INVALID_AT):
        return None
    try:
        return parse_time(credentials[INVALID_AT])
    except ValueError:
        return None


def _in_a_day(now: datetime) -> str:
    return format_time((now + _OVERLAP).replace(microsecond=0))


def _is_standard(secret: str) -> bool:
    try:
        standard_key(secret)
    except ValueError:
        return False
    return True


def _is_time(text: str) -> bool:
    try:
        parse_time(text)
    except ValueError:
        return False
    return True
