"""Whether the configured key is the one that the stored secrets were sealed with."""

import asyncio
import logging
from collections.abc import Sequence

from outpost.crypto import SealBroken, Sealer
from outpost.ports.tenant_store import DestinationRecord, TenantRecords

_logger = logging.getLogger(__name__)

_SAMPLE = 200


class KeyTrial:
    """Tries the key on a sample of what is stored, once.

    Most of the sample decides. It is drawn before this process seals anything, because what it sealed itself opens with
    a wrong key too. A store that is empty then shows nothing; the trial is made up for when something does not open.

    Attributes:
        is_right: Whether the key is right; None while nothing has shown it.
    """

    def __init__(self, records: TenantRecords, sealer: Sealer, *, trusted: bool) -> None:
        """Args:
        trusted: The operator says that the key is right, whatever it opens.
        """
        self._records = records
        self._sealer = sealer
        self._trying = asyncio.Lock()
        self._has_tried = trusted
        self.is_right: bool | None = True if trusted else None

    async def before_sealing(self) -> None:
        """Try the key, unless that was done.

        Raises:
            StoreUnavailable: It could not be tried.
        """
        async with self._trying:
            if not self._has_tried:
                await self._try()

    async def judged(self, siblings: Sequence[DestinationRecord]) -> bool:
        """Say whether the key is right, now that one of the siblings does not open.

        Args:
            siblings: All records of its tenant; they decide where the sample is empty.

        Raises:
            StoreUnavailable: The key could not be tried.
        """
        async with self._trying:
            if self.is_right is None:
                await self._try()
            if self.is_right is None and siblings:
                self._conclude([record.credentials for record in siblings])
        return bool(self.is_right)

    async def _try(self) -> None:
        sealed = await self._records.sealed_sample(_SAMPLE)
        self._has_tried = True
        if sealed:
            self._conclude(sealed)

    def _conclude(self, sealed: Sequence[bytes]) -> None:
        opened = sum(map(self._opens, sealed))
        self.is_right = 2 * opened >= len(sealed)
        if not self.is_right:
            _logger.error(
                "AES_ENCRYPTION_SECRET opens %d of %d stored credentials that were tried, so it seems not to be what "
                "they were sealed with: set it to what it was; deliveries to those destinations wait until then. "
                "Only if that secret is lost for good, set ALLOW_LOST_CREDENTIALS=true",
                opened,
                len(sealed),
            )

    def _opens(self, sealed: bytes) -> bool:
        try:
            self._sealer.open(sealed)
        except SealBroken:
            return False
        return True
