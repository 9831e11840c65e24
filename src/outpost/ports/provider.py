"""What the code for one destination type offers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec

from outpost.domain.delivery import DeliveryResult, DeliveryTask
from outpost.domain.destination import Destination

Role = Literal["admin", "tenant"]


class DestinationTarget(msgspec.Struct, frozen=True):
    """How a destination is shown to people: a short text, and a link if there is a page about it."""

    text: str
    url: str = ""


class DestinationChange(msgspec.Struct, frozen=True, kw_only=True):
    """A destination that someone wants to create or change.

    Attributes:
        wanted: The destination as it would be stored, the request already merged over the stored one.
        stored: What is stored now; None on create.
        role: Who asks.
        sent_credentials: The credentials of the request itself, to answer "did the caller send this field?".
        now: Aware UTC.
    """

    wanted: Destination
    stored: Destination | None
    role: Role
    sent_credentials: Mapping[str, Any]
    now: datetime


class Sender(Protocol):
    """An open way to one destination, shared by all its deliveries, which may run together."""

    async def send(self, task: DeliveryTask, *, now: datetime) -> DeliveryResult:
        """Send one event, within the delivery deadline.

        Every answer and every failure of the destination is a result. Cancelling leaves it unknown whether the
        destination received the event.

        Raises:
            OutpostError: Outpost itself could not do its work; the task must be tried again later.
        """
        ...

    async def close(self) -> None:
        """Free what is held. Sends in flight finish first."""
        ...


class Provider(Protocol):
    """The code for one destination type. Nothing here does I/O but a Sender's send, except where stated."""

    @property
    def type(self) -> str: ...

    @property
    def schema(self) -> Mapping[str, Any]:
        """The object served by `GET /destination-types/{type}`: type, config_fields, credential_fields, label,
        description, icon, instructions, and setup_link where there is one."""
        ...

    async def prepare(self, change: DestinationChange) -> Destination:
        """Return what is to be stored: secrets generated or rotated, values normalised. May ask a remote service.

        Raises:
            ValidationFailed: The caller may not make this change.
        """
        ...

    def validate(self, destination: Destination) -> None:
        """Check config and credentials.

        Raises:
            ValidationFailed: One message per broken rule, config fields first, in the schema's order.
        """
        ...

    def shown_credentials(self, destination: Destination, *, now: datetime) -> dict[str, str]:
        """Return the credentials as API answers show them: sensitive ones masked."""
        ...

    def target(self, destination: Destination) -> DestinationTarget: ...

    def open(self, destination: Destination) -> Sender:
        """Return a sender for this state of the destination.

        Raises:
            ValidationFailed: The stored destination cannot be used.
        """
        ...
