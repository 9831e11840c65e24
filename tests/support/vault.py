"""A destination type for tests: fields of every kind of rule, credentials that are masked, nothing sent."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from outpost.domain.attempt import AttemptStatus
from outpost.domain.delivery import DeliveryResult, DeliveryTask
from outpost.domain.destination import Destination
from outpost.domain.errors import ValidationFailed
from outpost.ports.provider import DestinationChange, DestinationTarget, Sender


class VaultProvider:
    """`vault`: a required `region`, a required secret `key`; `mode` is stored as `plain` unless it is given."""

    type = "vault"
    schema: Mapping[str, Any] = {"type": "vault", "config_fields": [], "credential_fields": [], "label": "Vault"}

    async def prepare(self, change: DestinationChange) -> Destination:
        wanted = change.wanted
        return msgspec.structs.replace(wanted, config={"mode": "plain", **wanted.config})

    def validate(self, destination: Destination) -> None:
        problems: list[str] = []
        if destination.config.get("region", "") not in ("eu", "us"):
            problems.append("config.region failed pattern validation")
        if not destination.credentials.get("key"):
            problems.append("credentials.key is required")
        if problems:
            raise ValidationFailed(*problems)

    def shown_credentials(self, destination: Destination, *, now: datetime) -> dict[str, str]:
        return {name: value[:4] + "*" * (len(value) - 4) for name, value in destination.credentials.items()}

    def target(self, destination: Destination) -> DestinationTarget:
        return DestinationTarget(destination.config.get("region", ""), "https://vault.example/")

    def open(self, destination: Destination) -> Sender:
        return _Nowhere()


class _Nowhere:
    async def send(self, task: DeliveryTask, *, now: datetime) -> DeliveryResult:
        return DeliveryResult(status=AttemptStatus.SUCCESS, code="200")

    async def close(self) -> None: ...
