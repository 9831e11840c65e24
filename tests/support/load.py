"""Publishing without pause, from many connections, and remembering what was answered."""

import asyncio
from collections import Counter
from contextlib import suppress
from types import TracebackType

from tests.support.http import connected
from tests.support.process import API_KEY, OutpostProcess

_SILENCE_SECONDS = 10.0


class Load:
    """Publishes while it is entered, about `per_second` events with ids of its own.

    Attributes:
        accepted: When each event was answered 202, by id, in seconds of the loop's clock.
        sent: When each was sent.
        tenant: Whose each is.
        answers: How many answers there were of each status; 0 stands for no answer.
        unexplained: Answers 503 that did not say when to try again.
    """

    def __init__(
        self,
        outpost: OutpostProcess,
        *,
        per_second: float = 200,
        publishers: int = 8,
        tenants: tuple[str, ...] = ("acme",),
        name: str = "load",
    ) -> None:
        """Args:
        tenants: They take turns.
        name: Part of the ids, so that two loads have none in common.
        """
        self._port = outpost.port
        self._pause = publishers / per_second
        self._publishers = publishers
        self._tenants = tenants
        self._name = name
        self.tenant: dict[str, str] = {}
        self.accepted: dict[str, float] = {}
        self.sent: dict[str, float] = {}
        self.answers: Counter[int] = Counter()
        self.unexplained = 0

    async def until_accepted(self, count: int, *, seconds: float = 60) -> None:
        """Wait until so many more events have been accepted than now."""
        wanted = len(self.accepted) + count
        async with asyncio.timeout(seconds):
            while len(self.accepted) < wanted:
                await asyncio.sleep(0.01)

    async def publish_one(self) -> None:
        """Publish one more event, which must be accepted."""
        async with connected(self._port) as connection:
            event_id = f"evt_one_{len(self.accepted)}"
            connection.send(_request(self._tenants[0], event_id))
            assert (await connection.answer()).status == 202
        self.accepted[event_id] = asyncio.get_running_loop().time()

    async def __aenter__(self) -> "Load":
        self._running = [asyncio.create_task(self._publish(number)) for number in range(self._publishers)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.wait(self._running)
        if kind is None:
            for task in self._running:
                if not task.cancelled():
                    task.result()

    async def _publish(self, publisher: int) -> None:
        count = 0
        while True:
            with suppress(OSError, EOFError, TimeoutError, ValueError):  # it is away; the answer, if any, is lost
                async with connected(self._port) as connection:
                    while True:
                        count += 1
                        event_id = f"{self._name}_{publisher}_{count}"
                        tenant = self.tenant[event_id] = self._tenants[count % len(self._tenants)]
                        async with asyncio.timeout(_SILENCE_SECONDS):
                            self.sent[event_id] = asyncio.get_running_loop().time()
                            connection.send(_request(tenant, event_id))
                            answer = await connection.answer()
                        self.answers[answer.status] += 1
                        if answer.status == 202:
                            self.accepted[event_id] = asyncio.get_running_loop().time()
                        elif "retry-after" not in answer.headers:
                            self.unexplained += 1
                        await asyncio.sleep(self._pause)
            self.answers[0] += 1
            await asyncio.sleep(self._pause)


def _request(tenant: str, event_id: str) -> bytes:
    body = b'{"tenant_id":"%s","id":"%s","topic":"t","data":{"n":1}}' % (tenant.encode(), event_id.encode())
    return b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (
        API_KEY.encode(),
        len(body),
        body,
    )
