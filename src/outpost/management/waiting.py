"""Ending the deliveries that wait for a destination nobody sends to any more."""

import logging
from collections.abc import Sequence
from typing import Protocol

from outpost.domain.delivery import DropReason
from outpost.domain.errors import Unavailable
from outpost.domain.identifiers import DestinationId, TenantId

_logger = logging.getLogger(__name__)


class WaitingTasks(Protocol):
    """The part of the ledger that management needs."""

    async def drop_waiting(
        self, tenant_id: TenantId, destination_ids: Sequence[DestinationId], reason: DropReason
    ) -> int:
        """Raises StoreUnavailable; then nothing was dropped."""
        ...


async def drop_waiting(
    tasks: WaitingTasks, tenant_id: TenantId, destination_ids: Sequence[DestinationId], reason: DropReason
) -> None:
    """Drop what waits for destinations that were just disabled or deleted.

    That change is stored already, and a task that outlives it is dropped when its turn comes. So a ledger that cannot
    be written now is no reason to tell the caller that the change failed.
    """
    if not destination_ids:
        return
    try:
        await tasks.drop_waiting(tenant_id, destination_ids, reason)
    except Unavailable as error:
        fields = {"tenant_id": tenant_id, "destination_ids": list(destination_ids), "error": str(error)}
        _logger.warning("waiting deliveries are dropped later", extra={"fields": fields})
