"""Publishing where an id may be claimed by another process at the same moment."""

import asyncio

from outpost.domain.errors import PublishContended
from outpost.pipeline.publish import PublishCommand, PublishResult, Submit

_PATIENCE_SECONDS = 5.0
"""As long as a claim on an id lasts: by then whoever holds it has finished or has failed."""
_PAUSE_SECONDS = 0.05


def patient_with_contention(submit: Submit, *, patience: float = _PATIENCE_SECONDS) -> Submit:
    """Return `submit`, made to ask again while another process accepts an event of the same id.

    Its future ends with PublishContended only if that takes longer than `patience` seconds.
    """

    async def ask_again(command: PublishCommand) -> PublishResult:
        give_up_at = asyncio.get_running_loop().time() + patience
        while True:
            try:
                return await submit(command)
            except PublishContended:
                if asyncio.get_running_loop().time() >= give_up_at:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)

    def submit_patiently(command: PublishCommand) -> "asyncio.Future[PublishResult]":
        if command.id is None:  # nobody else can know it
            return submit(command)
        return asyncio.ensure_future(ask_again(command))

    return submit_patiently
