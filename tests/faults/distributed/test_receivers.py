"""Receivers that hang or refuse, bodies that no database takes, and requests that never end, among healthy ones."""

from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

from tests.faults.distributed.no_loss import assert_nothing_is_lost, told
from tests.support.deployment import Deployment, Servers, deployment
from tests.support.http import connected
from tests.support.load import Load
from tests.support.receiver import Receiver

_EVENTS = 300
_HALF = b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\n"


async def _p99(outpost: Deployment, receiver: Receiver, path: str, tenants: tuple[str, ...]) -> float:
    already = len(receiver.requests(path))
    async with Load(outpost.process, per_second=100, tenants=tenants, name=path.strip("/")) as load:
        await load.until_accepted(_EVENTS)
    of_path = {event_id for event_id in load.accepted if path == "/alone" or load.tenant[event_id] == "healthy"}
    await assert_nothing_is_lost(outpost, receiver, of_path, path=path)
    arrived = {request.event_id: request.received_at for request in receiver.requests(path)[already:]}
    waits = sorted(arrived[event_id] - load.sent[event_id] for event_id in of_path)
    return waits[int(len(waits) * 0.99)]


async def test_healthy_receivers_do_not_notice_those_that_hang_or_refuse(
    servers: Servers, tmp_path: Path, receiver: Receiver
) -> None:
    receiver.hold("/hanging")
    receiver.answer("/refusing", 500)
    async with deployment(servers, tmp_path, DELIVERY_TIMEOUT_SECONDS="3") as outpost:
        await outpost.start()
        await outpost.process.destination("alone", receiver.url("/alone"))
        for path in ("/hanging", "/refusing", "/healthy"):
            await outpost.process.destination(path.strip("/"), receiver.url(path))

        alone = await _p99(outpost, receiver, "/alone", ("alone",))
        among = await _p99(outpost, receiver, "/healthy", ("hanging", "refusing", "healthy"))

        told("healthy p99", alone=alone, among_others=among)
        assert receiver.requests("/hanging")
        assert among < 5 * alone + 0.25


async def test_what_the_database_would_reject_is_refused_at_the_door(
    servers: Servers, tmp_path: Path, receiver: Receiver
) -> None:
    """FIX-12."""
    event = {"tenant_id": "acme", "topic": "t", "data": {"text": "a\0b"}}
    async with deployment(servers, tmp_path) as outpost:
        await outpost.start()
        await outpost.process.destination("acme", receiver.url("/ok"))
        async with Load(outpost.process) as load:
            await load.until_accepted(50)
            bad_id = await outpost.process.api("POST", "/publish", {**event, "id": "a\0b"})
            bad_metadata = await outpost.process.api("POST", "/publish", {**event, "metadata": {"k": "a\0b"}})
            good = await outpost.process.api("POST", "/publish", {**event, "id": "with-nul"})
            await load.until_accepted(50)

        assert (bad_id.status, bad_metadata.status, good.status) == (422, 422, 202)
        await assert_nothing_is_lost(outpost, receiver, {*load.accepted, "with-nul"})
        sent = next(request for request in receiver.requests("/ok") if request.event_id == "with-nul")
        assert b"a\\u0000b" in sent.body


async def test_half_open_requests_do_not_delay_the_end(servers: Servers, tmp_path: Path, receiver: Receiver) -> None:
    async with deployment(servers, tmp_path) as outpost, AsyncExitStack() as stack:
        await outpost.start()
        await outpost.process.destination("acme", receiver.url("/ok"))
        for _ in range(200):
            (await stack.enter_async_context(connected(outpost.process.port))).send(_HALF)
        async with Load(outpost.process) as load:
            await load.until_accepted(100)
        started = monotonic()
        code = await outpost.process.terminate()
        stopping = monotonic() - started

        told("SIGTERM", stopping=stopping)
        assert code == 0
        assert stopping < 1.0
        await outpost.start()
        await assert_nothing_is_lost(outpost, receiver, load.accepted)
