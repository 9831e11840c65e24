"""The `webhook` type as the registry knows it."""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from outpost.clients.http import HttpClient, InvalidUrl, Url
from outpost.destinations.webhook import secrets
from outpost.destinations.webhook.headers import HeaderPlan, custom_header_problems
from outpost.destinations.webhook.sender import WebhookSender
from outpost.destinations.webhook.settings import WebhookSettings
from outpost.destinations.webhook.signature import signer
from outpost.domain.destination import Destination
from outpost.domain.errors import ValidationFailed
from outpost.ports.provider import DestinationChange, DestinationTarget, Sender

_logger = logging.getLogger(__name__)

_URL = re.compile(r"https?://[^\s]+", re.ASCII)
_PASSWORD = re.compile(r"(//[^/?#:]*:)[^/?#]*@")
_FIXED = ("type", "config_fields", "credential_fields", "instructions")
_T = TypeVar("_T")


class WebhookProvider:
    """Webhooks of one process, in the configured mode."""

    type = "webhook"

    def __init__(self, settings: WebhookSettings, client: HttpClient) -> None:
        """Raises ConfigurationError for settings that cannot work."""
        self._settings = settings
        self._client = client
        self._maker = secrets.SecretMaker(settings)
        self._signer = signer(settings)
        self._headers = HeaderPlan(settings)
        self.schema = _schema(settings)

    async def prepare(self, change: DestinationChange) -> Destination:
        return msgspec.structs.replace(change.wanted, credentials=secrets.prepared(change, self._maker))

    def validate(self, destination: Destination) -> None:
        problems = _url_problems(destination.config.get("url", ""))
        problems += custom_header_problems(destination.config)
        problems += secrets.problems(destination.credentials, standard=self._settings.mode == "standard")
        if problems:
            raise ValidationFailed(*problems)

    def shown_credentials(self, destination: Destination, *, now: datetime) -> dict[str, str]:
        shown = dict(destination.credentials)
        ends = secrets.ends_at(shown)
        if ends is not None and ends < now:
            shown.pop(secrets.PREVIOUS)
            shown.pop(secrets.INVALID_AT)
        return shown

    def target(self, destination: Destination) -> DestinationTarget:
        return DestinationTarget(_PASSWORD.sub(r"\1****@", destination.config.get("url", "")))

    def open(self, destination: Destination) -> Sender:
        return WebhookSender(
            destination,
            client=self._client,
            settings=self._settings,
            signer=self._signer,
            headers=self._headers,
        )


def _url_problems(url: str) -> list[str]:
    if not url:
        return ["config.url is required"]
    if not _URL.fullmatch(url):
        return ["config.url failed pattern validation"]
    try:
        Url.parse(url)
    except InvalidUrl as error:  # no delivery could be sent there
        return [f"config.url failed pattern validation: {error}"]
    return []


def _schema(settings: WebhookSettings) -> Mapping[str, Any]:
    """The bundled description, with what the operator's folder replaces in it."""
    bundled = files("outpost.destinations.webhook")
    schema: dict[str, Any] = msgspec.json.decode(bundled.joinpath("metadata.json").read_bytes())
    schema["instructions"] = bundled.joinpath("instructions.md").read_text(encoding="utf-8")
    if settings.metadata_path:
        name = "webhook_standard" if settings.mode == "standard" else "webhook"
        schema |= _replaced(Path(settings.metadata_path) / name)
    return schema


def _replaced(folder: Path) -> dict[str, Any]:
    """Return what an operator's files say anew; either may be missing."""
    metadata = _read(folder / "metadata.json", lambda text: msgspec.json.decode(text, type=dict[str, Any])) or {}
    replaced = {key: value for key, value in metadata.items() if value and key not in _FIXED}
    instructions = _read(folder / "instructions.md", str)
    if instructions is not None:
        replaced["instructions"] = instructions
    return replaced


def _read(path: Path, understand: Callable[[str], _T]) -> _T | None:
    try:
        return understand(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError, msgspec.DecodeError) as error:
        fields = {"path": str(path), "error": str(error)}
        _logger.warning("destination metadata is not readable and was passed over", extra={"fields": fields})
        return None
