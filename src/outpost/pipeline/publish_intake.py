"""Events that are published through a queue, on the road that those of the API take."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from outpost.domain.errors import CannotUnseal, InvalidInput, PublishContended
from outpost.pipeline.patience import patiently
from outpost.pipeline.publish import PublishCommand, PublishResult
from outpost.ports.inbox import Inbox
from outpost.ports.queue import Message

_logger = logging.getLogger("outpost.publish")

_END_SECONDS = 5.0
"""At the end, how long accepting what was begun may take."""
_PAUSE_SECONDS = 1.0


class PublishIntake:
    """Accepts what the queue lends, as many at once as it lends.

    What is accepted, a duplicate or wanted by nobody is acknowledged. What can never be accepted is refused, so that it
    does not come again for ever. What cannot be accepted now, because a server is away, is held and tried again.
    """

    def __init__(
        self,
        *,
        inbox: Inbox,
        decode: Callable[[bytes], PublishCommand],
        publish: Callable[[PublishCommand], Awaitable[PublishResult]],
    ) -> None:
        """Args:
        decode: Reads the body of a message; raises InvalidInput that says what is wrong.
        """
        self._inbox = inbox
        self._decode = decode
        self._publish = publish

    async def run(self) -> None:
        """Accept until cancelled; then end what was begun, or give it back if that takes long."""
        begun: dict[asyncio.Task[None], Message] = {}
        receiving = asyncio.ensure_future(self._inbox.receive())
        try:
            while True:
                done, _ = await asyncio.wait({receiving, *begun}, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in begun if task in done]:
                    task.result()
                    del begun[task]
                if receiving in done:
                    for message in receiving.result():
                        begun[asyncio.create_task(self._take(message))] = message
                    receiving = asyncio.ensure_future(self._inbox.receive())
        finally:
            receiving.cancel()
            await asyncio.wait({receiving})
            await self._end(begun)

    async def _end(self, begun: dict[asyncio.Task[None], Message]) -> None:
        if not begun:
            return
        _, late = await asyncio.wait(begun, timeout=_END_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.wait(begun)
        for task, message in begun.items():
            if task.cancelled() or task.exception() is not None:
                self._inbox.return_(message)

    async def _take(self, message: Message) -> None:
        known: dict[str, object] = {}
        try:
            command = self._decode(message.body)
            known = {"tenant_id": command.tenant_id, "event_id": command.id, "topic": command.topic}
            await self._accept(command)
        except InvalidInput as error:
            fields = {"error": str(error), **known}
            _logger.error("a message of the publish queue is refused", extra={"fields": fields})
            self._inbox.refuse(message)
        else:
            self._inbox.ack([message])

    async def _accept(self, command: PublishCommand) -> None:
        while True:
            try:
                await patiently(
                    "accepting from the publish queue",
                    lambda: self._publish(command),
                    meanwhile="events stay in the publish queue",
                )
            except (PublishContended, CannotUnseal) as error:
                fields = {"tenant_id": command.tenant_id, "event_id": command.id, "error": str(error)}
                _logger.warning("an event of the publish queue waits", extra={"fields": fields})
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return
