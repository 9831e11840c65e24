"""Keeping one connection to RabbitMQ, for ever."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from outpost.clients.amqp import AmqpError, AmqpOptions, Channel, Connection, connect
from outpost.domain.errors import ConfigurationError, QueueUnavailable
from outpost.telemetry.outages import Waiting

_logger = logging.getLogger(__name__)

_PREPARE_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.7
"""Shorter than a second, so that work goes on within one after the broker is back."""


class Link:
    """A task that connects, prepares a channel, waits until that ends, and begins again.

    It ends when it is stopped, or by a fault in the program, which `check` then raises.
    """

    def __init__(
        self,
        options: AmqpOptions,
        *,
        prepare: Callable[[Connection], Awaitable[Channel]],
        down: Callable[[], None],
    ) -> None:
        """Describe a link; nothing is opened.

        Args:
            prepare: Makes a new connection ready for use, and returns the channel that is used.
            down: Called after a connection has ended, or could not be made ready, and when the link ends.
        """
        self._options = options
        self._prepare = prepare
        self._down = down
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._channel: Channel | None = None
        self._up = asyncio.Event()
        self._trouble: str | None = None
        self._renewed: str | None = None  # why, if it was this program that ended the connection
        self._waiting = Waiting(f"connecting {options.name}", meanwhile="messages stay with the broker")

    @property
    def broker(self) -> str:
        """Return the name of what is connected to, the same for all its links."""
        return f"RabbitMQ at {self._options.endpoint}"

    @property
    def trouble(self) -> str | None:
        """Return why there is no connection to be used; None if there is one, or none was needed so far."""
        return self._trouble

    def check(self) -> None:
        """Begin, if this was not done yet; raise what has ended the link, if it has ended."""
        if self._task is None:
            self._trouble = "not connected yet"
            self._task = asyncio.create_task(self._keep_connected())
            self._task.add_done_callback(lambda _: self._down())
        elif self._task.done():
            self._task.result()

    async def ready(self, *, within: float) -> None:
        """Wait until there is a connection to be used.

        Raises:
            TimeoutError: There is none after so many seconds.
        """
        self.check()
        if self._channel is None or not self._channel.is_open:
            self._up.clear()  # the channel may just have ended, and the task not know yet
            async with asyncio.timeout(within):
                await self._up.wait()

    def renew(self, why: str) -> None:
        """Give up the connection, even one that is only being prepared, and prepare another."""
        if self._connection is not None:
            self._renewed = why
            self._connection.end(why)

    async def stop(self) -> None:
        """Close the connection, after everything that was written has left, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._waiting.given_up()

    async def _keep_connected(self) -> None:
        failures = 0
        while True:
            try:
                async with asyncio.timeout(None) as limit:
                    await self._connect_once(limit)
            except TimeoutError:
                self._trouble = f"{self._options.endpoint}: not ready within {_PREPARE_SECONDS:g} s"
            except (AmqpError, ConfigurationError) as error:
                self._trouble = str(error)
            failures = failures + 1 if self._channel is None else 1
            self._connection = self._channel = None
            self._up.clear()
            self._down()
            self._tell()
            await asyncio.sleep(_pause(failures))

    def _tell(self) -> None:
        why, self._renewed = self._renewed, None
        if why is None:
            error = QueueUnavailable(self._options.name, self._trouble or "the connection was lost", broker=self.broker)
            self._waiting.refused(error)
        else:
            _logger.info("queue connection renewed", extra={"fields": {"connection": self._options.name, "why": why}})

    async def _connect_once(self, limit: asyncio.Timeout) -> None:
        """Connect, and wait until the connection ends."""
        loop = asyncio.get_running_loop()
        connection = self._connection = await connect(self._options)
        try:
            limit.reschedule(loop.time() + _PREPARE_SECONDS)
            channel = await self._prepare(connection)
            limit.reschedule(None)
            self._channel, self._trouble = channel, None
            self._up.set()
            self._waiting.succeeded()
            _logger.debug("queue connected", extra={"fields": {"connection": self._options.name}})
            raise await channel.ended()
        finally:
            await connection.close()


def _pause(failures: int) -> float:
    """Return seconds: doubling, and half of it random, so that many clients of one broker do not come back in step."""
    whole = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(failures - 1, 8))
    return whole * (0.5 + random.random() / 2)
