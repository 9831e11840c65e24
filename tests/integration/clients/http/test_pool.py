"""Which connections are kept, which are used next, and what becomes of those that went bad while idle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from outpost.clients.http import ConnectionClosed, ConnectionReset, DeadlineExceeded, HttpClient
from tests.support.asking import Ask, asking, until
from tests.support.hostile_http import OK, HostileServer, Peer, always


class Gate:
    """Holds requests until told, so that they are in flight together."""

    def __init__(self) -> None:
        self.waiting = 0
        self._arrived = asyncio.Condition()
        self._open = asyncio.Event()

    async def behave(self, peer: Peer) -> None:
        while True:
            await peer.request()
            async with self._arrived:
                self.waiting += 1
                self._arrived.notify_all()
            await self._open.wait()
            await peer.send(b"HTTP/1.1 200 OK\r\nX-Peer: %d\r\nContent-Length: 0\r\n\r\n" % peer.number)

    async def let_through(self, count: int) -> None:
        """Wait for `count` requests, then answer them and all that follow."""
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: self.waiting >= count)
        self._open.set()


@asynccontextmanager
async def _a_client(
    *, max_idle: int = 512, max_idle_per_host: int = 256, idle_timeout: float = 90.0
) -> AsyncIterator[HttpClient]:
    async with HttpClient(max_idle=max_idle, max_idle_per_host=max_idle_per_host, idle_timeout=idle_timeout) as client:
        yield client
    await until(lambda: client.connections_open == 0)


async def _at_once(ask: Ask, ports: list[int], gates: list[Gate]) -> None:
    """Have one request in flight for each entry of `ports`, then let them all end."""
    async with asyncio.TaskGroup() as group:
        for port in ports:
            group.create_task(ask(port))
        for gate in gates:
            await gate.let_through(len(ports) // len(gates))


async def test_requests_one_after_another_share_a_connection(ask: Ask, client: HttpClient) -> None:
    async with HostileServer(always(OK)) as server:
        for _ in range(10):
            await ask(server.port)

        assert (server.connections, client.connections_opened, client.connections_reused) == (1, 1, 9)
        assert (client.connections_open, client.connections_idle) == (1, 1)


async def test_requests_together_have_a_connection_each(ask: Ask, client: HttpClient) -> None:
    gate = Gate()
    async with HostileServer(gate.behave) as server:
        await _at_once(ask, [server.port] * 20, [gate])

        assert server.connections == 20
        assert client.connections_idle == 20


async def test_of_one_host_no_more_than_its_limit_stays_idle() -> None:
    gate = Gate()
    async with _a_client(max_idle_per_host=3) as client, HostileServer(gate.behave) as server:
        await _at_once(asking(client), [server.port] * 10, [gate])

        assert client.connections_idle == 3
        await server.until_open(3)


async def test_of_all_hosts_together_no_more_than_the_limit_stays_idle() -> None:
    gates = [Gate(), Gate()]
    async with (
        _a_client(max_idle=5, max_idle_per_host=4) as client,
        HostileServer(gates[0].behave) as one,
        HostileServer(gates[1].behave) as two,
    ):
        await _at_once(asking(client), [one.port] * 10 + [two.port] * 10, gates)

        assert client.connections_idle == 5
        assert client.connections_open == 5


async def test_a_limit_of_none_keeps_no_connection() -> None:
    async with _a_client(max_idle=0) as client, HostileServer(always(OK)) as server:
        for _ in range(3):
            await asking(client)(server.port)
            await server.until_open(0)
        assert server.connections == 3


async def test_the_connection_used_last_is_used_next(ask: Ask) -> None:
    gate = Gate()
    async with HostileServer(gate.behave) as server:
        await _at_once(ask, [server.port] * 5, [gate])

        peers = {dict((await ask(server.port)).headers)[b"x-peer"] for _ in range(10)}
        assert len(peers) == 1


async def test_ports_do_not_share_connections(ask: Ask) -> None:
    async with HostileServer(always(OK)) as one, HostileServer(always(OK)) as two:
        for _ in range(2):
            await ask(one.port)
            await ask(two.port)
        assert (one.connections, two.connections) == (1, 1)


async def test_what_is_idle_too_long_is_closed_and_the_rest_kept() -> None:
    async with _a_client(idle_timeout=0.05) as client, HostileServer(always(OK)) as server:
        await asking(client)(server.port)
        assert client.connections_idle == 1

        await server.until_open(0)
        assert client.connections_idle == 0
        assert (await asking(client)(server.port)).status == 200


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_an_idle_connection_that_the_server_closed_is_noticed(ask: Ask, client: HttpClient, how: str) -> None:
    leave = asyncio.Event()

    async def leaves(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await leave.wait()
        peer.reset() if how == "reset" else peer.close()

    async with HostileServer(leaves) as server:
        await ask(server.port)
        assert client.connections_idle == 1

        leave.set()
        await until(lambda: client.connections_open == 0)
        assert client.connections_idle == 0


class TestRetry:
    """A reused connection that closes before the first byte was probably closing already: asked again, once."""

    @pytest.mark.parametrize("how", ["close", "reset"])
    async def test_a_reused_connection_that_closes_unanswered_is_retried_on_a_new_one(self, ask: Ask, how: str) -> None:
        async def one_answer_each(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            await peer.request()
            if how == "reset":
                peer.reset()

        async with HostileServer(one_answer_each) as server:
            for number in range(1, 6):
                assert (await ask(server.port, body=b"body %d" % number)).status == 200
                assert server.requests[-1].body == b"body %d" % number
            assert server.connections == 5

    async def test_a_large_body_is_sent_again_from_its_beginning(self, ask: Ask) -> None:
        body = b"0123456789" * 100_000

        async def closes_in_the_second(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            await peer.head()

        async with HostileServer(closes_in_the_second) as server:
            await ask(server.port)
            assert (await ask(server.port, body=body)).status == 200
            assert server.requests[-1].body == body

    async def test_the_new_connection_is_not_retried(self, ask: Ask) -> None:
        async def answers_once_ever(peer: Peer) -> None:
            await peer.request()
            if peer.number == 1:
                await peer.send(OK)
                await peer.request()

        async with HostileServer(answers_once_ever) as server:
            await ask(server.port)
            with pytest.raises(ConnectionClosed):
                await ask(server.port)
            assert len(server.requests) == 3

    async def test_a_first_byte_rules_it_out(self, ask: Ask) -> None:
        async def breaks_off(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            await peer.request()
            await peer.send(b"H")

        async with HostileServer(breaks_off) as server:
            await ask(server.port)
            with pytest.raises((ConnectionClosed, ConnectionReset)):
                await ask(server.port)
            assert server.connections == 1

    async def test_it_shares_the_deadline(self, ask: Ask) -> None:
        async def hangs_in_the_end(peer: Peer) -> None:
            await peer.request()
            if peer.number == 1:
                await peer.send(OK)
                await peer.request()
            else:
                await peer.until_gone()

        async with HostileServer(hangs_in_the_end) as server:
            await ask(server.port)
            with pytest.raises(DeadlineExceeded):
                await ask(server.port, seconds=0.1)
            assert server.connections == 2


class TestCancelling:
    @pytest.mark.parametrize("reused", [False, True])
    async def test_a_cancelled_request_closes_its_connection(self, ask: Ask, client: HttpClient, reused: bool) -> None:
        arrived = asyncio.Event()

        async def slow(peer: Peer) -> None:
            if reused:
                await peer.request()
                await peer.send(OK)
            await peer.request()
            arrived.set()
            await peer.until_gone()

        async with HostileServer(slow) as server:
            if reused:
                await ask(server.port)
            request = asyncio.create_task(ask(server.port))
            await arrived.wait()
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request

            await server.until_open(0)
            assert (client.connections_open, client.connections_idle) == (0, 0)

    async def test_its_late_answer_is_nobody_elses(self, ask: Ask) -> None:
        arrived, go_on = asyncio.Event(), asyncio.Event()

        async def answers_late(peer: Peer) -> None:
            while True:
                request = await peer.request()
                if request.path == "/slow":
                    arrived.set()
                    await go_on.wait()
                body = request.path.encode()
                await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

        async with HostileServer(answers_late) as server:
            await ask(server.port, "/first")
            slow = asyncio.create_task(ask(server.port, "/slow"))
            await arrived.wait()
            slow.cancel()
            go_on.set()
            answers = await asyncio.gather(*(ask(server.port, f"/{n}") for n in range(20)))

            assert [answer.body.decode() for answer in answers] == [f"/{n}" for n in range(20)]
            await asyncio.wait([slow])

    @pytest.mark.parametrize("max_idle", [0, 10], ids=["new connections", "idle connections"])
    async def test_cancelling_at_any_moment_leaves_a_working_client(self, max_idle: int) -> None:
        async with _a_client(max_idle=max_idle) as client, HostileServer(always(OK)) as server:
            ask = asking(client)
            for turns in range(30):
                await ask(server.port)
                request = asyncio.create_task(ask(server.port))
                for _ in range(turns):
                    await asyncio.sleep(0)
                request.cancel()
                await asyncio.wait([request])
                assert (await ask(server.port)).body == b"ok"
            await until(lambda: client.connections_open == client.connections_idle)
