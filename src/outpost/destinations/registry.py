"""Destination type → provider; destination → open sender."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from outpost.domain.destination import Destination
from outpost.domain.errors import UnknownDestinationType, ValidationFailed
from outpost.domain.identifiers import DestinationId, TenantId
from outpost.ports.provider import Provider, Sender

_logger = logging.getLogger(__name__)

_OPEN_SENDERS = 10_000
"""Past these the sender that was not used for the longest time is closed."""


class Registry:
    """All destination types of this process, and the senders in use.

    A sender belongs to one state of a destination: the same object finds its sender again, a changed destination gets
    a new one, and the old one is closed once its sends have ended. Use `async with`.
    """

    def __init__(self, providers: Sequence[Provider]) -> None:
        """Args:
        providers: In the order in which their types are offered.
        """
        self._providers = {provider.type: provider for provider in providers}
        self._senders: OrderedDict[tuple[TenantId, DestinationId], tuple[Destination, Sender]] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Registry":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, sender in self._senders.values():
            self._close(sender)
        self._senders.clear()
        while self._closing:
            await asyncio.wait(self._closing)

    def provider(self, type_: str) -> Provider:
        """Raises UnknownDestinationType."""
        provider = self._providers.get(type_)
        if provider is None:
            raise UnknownDestinationType(type_)
        return provider

    def schemas(self) -> Sequence[Mapping[str, Any]]:
        return [provider.schema for provider in self._providers.values()]

    def sender(self, destination: Destination) -> Sender:
        """Return the open sender for this state of a destination.

        Raises:
            UnknownDestinationType: There is no provider for its type.
            ValidationFailed: The stored destination cannot be used.
        """
        key = (destination.tenant_id, destination.id)
        known = self._senders.get(key)
        if known is not None:
            if known[0] is destination:
                self._senders.move_to_end(key)
                return known[1]
            self._close(known[1])
            del self._senders[key]
        if destination.secrets_lost:
            raise ValidationFailed("the secrets of the destination cannot be decrypted")
        sender = self.provider(destination.type).open(destination)
        self._senders[key] = (destination, sender)
        if len(self._senders) > _OPEN_SENDERS:
            _, (_, oldest) = self._senders.popitem(last=False)
            self._close(oldest)
        return sender

    def _close(self, sender: Sender) -> None:
        task = asyncio.get_running_loop().create_task(sender.close())
        self._closing.add(task)
        task.add_done_callback(self._closed)

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._closing.discard(task)
        if not task.cancelled() and task.exception() is not None:
            fields = {"error": type(task.exception()).__name__}
            _logger.warning("a sender did not close properly", extra={"fields": fields})
