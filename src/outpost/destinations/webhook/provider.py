"""The `webhook` type as the registry knows it."""

import logging
import re
from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from outpost.clients.http import HttpClient
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
_PASSWORD = re.compile(r"(//[^/?#@:]*:)[^/?#@]*@")
_FIXED = ("type", "config_fields", "credential_fields")


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
        problems: list[str] = []
        url = destination.config.get("url", "")
        if not url:
            problems.append("config.url is required")
        elif not _URL.fullmatch(url):
            problems.append("config.url failed pattern validation")
        problems += secrets.problems(destination.credentials, standard=self._settings.mode == "standard")
        problems = problems or custom_header_problems(destination.config)
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


def _schema(settings: WebhookSettings) -> Mapping[str, Any]:
    """The bundled description, with what the operator's folder replaces in it."""
    bundled = files(__package__)
    schema: dict[str, Any] = msgspec.json.decode(bundled.joinpath("metadata.json").read_bytes())
    schema["instructions"] = bundled.joinpath("instructions.md").read_text()
    if not settings.metadata_path:
        return schema
    name = "webhook_standard" if settings.mode == "standard" else "webhook"
    folder = Path(settings.metadata_path) / name
    try:
        replaced = msgspec.json.decode((folder / "metadata.json").read_bytes(), type=dict[str, Any])
        schema |= {key: value for key, value in replaced.items() if value and key not in (*_FIXED, "instructions")}
    except FileNotFoundError:
        pass
    except (OSError, msgspec.DecodeError) as error:
        fields = {"path": str(folder / "metadata.json"), "error": str(error)}
        _logger.warning("destination metadata is not readable and was passed over", extra={"fields": fields})
    instructions = folder / "instructions.md"
    if instructions.is_file():
        schema["instructions"] = instructions.read_text()
    return schema
