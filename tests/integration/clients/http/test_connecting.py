"""From a name to a connection: the lookup, the check of every address, and the connection to none but a checked one."""

import asyncio
import errno
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from outpost.clients.http import (
    Address,
    ConnectionRefused,
    DeadlineExceeded,
    HttpClient,
    HttpError,
    NameNotResolved,
    NetworkUnreachable,
)
from tests.support.asking import Ask, asking
from tests.support.hostile_http import OK, HostileServer, always

_HERE = IPv4Address("127.0.0.1")
_ELSEWHERE = IPv4Address("127.0.0.2")


class Refused(Exception):
    """What the check of these tests raises."""


class Names:
    """A resolver of this test's own."""

    def __init__(self, *answers: Sequence[Address] | OSError) -> None:
        self.asked: list[tuple[str, int]] = []
        self._answers = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append((host, port))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer


class Check:
    """An address check that keeps what it saw and lets through what it is told."""

    def __init__(self, *allowed: Address) -> None:
        self.seen: list[tuple[str, list[Address]]] = []
        self._allowed = allowed

    def __call__(self, host: str, addresses: Sequence[Address]) -> Sequence[Address]:
        self.seen.append((host, list(addresses)))
        return [address for address in addresses if address in self._allowed]


def _unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


async def test_nobody_listening_is_refused(ask: Ask) -> None:
    port = _unused_port()
    with pytest.raises(ConnectionRefused) as caught:
        await ask(port)

    assert str(caught.value) == f"127.0.0.1:{port}: the connection was refused"


async def test_the_systems_own_lookup_finds_localhost(ask: Ask) -> None:
    async with HostileServer(always(OK)) as server:
        assert (await ask(server.port, host="localhost")).status == 200
        assert b"\r\nHost: localhost:%d\r\n" % server.port in server.requests[0].head


async def test_a_name_that_does_not_exist_is_not_resolved(ask: Ask) -> None:
    with pytest.raises(NameNotResolved, match=r"no-such-host\.invalid:80"):
        await ask(80, host="no-such-host.invalid")


@pytest.mark.parametrize("answer", [(), OSError(errno.EIO, "I/O error")])
async def test_a_lookup_without_an_answer_is_not_resolved_and_not_remembered(
    answer: Sequence[Address] | OSError,
) -> None:
    names = Names(answer, [_HERE])
    async with HttpClient(resolver=names) as client, HostileServer(always(OK)) as server:
        with pytest.raises(NameNotResolved):
            await asking(client)(server.port, host="a.example")

        assert (await asking(client)(server.port, host="a.example")).status == 200


async def test_requests_together_look_a_name_up_once_and_it_is_remembered() -> None:
    names = Names([_HERE])
    async with HttpClient(resolver=names, max_idle=0) as client, HostileServer(always(OK)) as server:
        await asyncio.gather(*(asking(client)(server.port, host="a.example") for _ in range(10)))
        await asking(client)(server.port, host="a.example")

        assert names.asked == [("a.example", server.port)]


async def test_of_requests_that_wait_for_one_lookup_one_may_be_cancelled() -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(host: str, port: int) -> Sequence[Address]:
        asked.set()
        await answer.wait()
        return [_HERE]

    async with HttpClient(resolver=slow) as client, HostileServer(always(OK)) as server:
        first, second = (asyncio.create_task(asking(client)(server.port, host="a.example")) for _ in range(2))
        await asked.wait()
        first.cancel()
        await asyncio.wait([first])
        answer.set()

        assert (await second).status == 200


async def test_a_lookup_nobody_waits_for_any_more_is_cancelled() -> None:
    asked, cancelled = asyncio.Event(), asyncio.Event()

    async def slow(host: str, port: int) -> Sequence[Address]:
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return []

    async with HttpClient(resolver=slow) as client:
        request = asyncio.create_task(asking(client)(80, host="a.example"))
        await asked.wait()
        request.cancel()
        await asyncio.wait([request])
        async with asyncio.timeout(5):
            await cancelled.wait()


async def test_a_name_whose_addresses_did_not_work_is_looked_up_anew() -> None:
    names = Names([_ELSEWHERE], [_HERE])
    async with HttpClient(resolver=names) as client, HostileServer(always(OK)) as server:
        with pytest.raises(ConnectionRefused):
            await asking(client)(server.port, host="a.example")

        assert (await asking(client)(server.port, host="a.example")).status == 200


class TestCheck:
    async def test_it_sees_every_address_of_a_name(self) -> None:
        everything: list[Address] = [_ELSEWHERE, IPv6Address("::ffff:10.0.0.1"), IPv6Address("fe80::1"), _HERE]
        check = Check(_HERE)
        async with HttpClient(resolver=Names(everything), check=check) as client, HostileServer(always(OK)) as server:
            assert (await asking(client)(server.port, host="a.example")).status == 200
            assert check.seen == [("a.example", everything)]

    @pytest.mark.parametrize("spelling", ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1"])
    async def test_it_sees_an_address_however_it_is_written(self, spelling: str) -> None:
        check = Check()
        async with HttpClient(check=check) as client, HostileServer(always(OK)) as server:
            with pytest.raises(NetworkUnreachable):
                await asking(client)(server.port, host=spelling)

            assert check.seen == [("127.0.0.1", [_HERE])]
            assert server.connections == 0

    async def test_only_what_it_returns_is_connected_to(self) -> None:
        async with (
            HttpClient(resolver=Names([_HERE, _ELSEWHERE]), check=Check(_ELSEWHERE)) as client,
            HostileServer(always(OK)) as server,  # on 127.0.0.1 alone
        ):
            with pytest.raises(ConnectionRefused):
                await asking(client)(server.port, host="a.example")

            assert server.connections == 0

    async def test_a_name_that_moves_after_the_check_is_not_followed(self) -> None:
        """What was checked is what is connected to: nothing is looked up in between."""
        names = Names([_ELSEWHERE], [_HERE])
        async with HttpClient(resolver=names, check=Check(_ELSEWHERE)) as client, HostileServer(always(OK)) as server:
            with pytest.raises(ConnectionRefused):
                await asking(client)(server.port, host="rebind.example")

            assert len(names.asked) == 1
            assert server.connections == 0

    async def test_what_it_raises_is_the_requests_failure(self) -> None:
        def refuse(host: str, addresses: Sequence[Address]) -> Sequence[Address]:
            raise Refused(host)

        async with HttpClient(check=refuse) as client, HostileServer(always(OK)) as server:
            with pytest.raises(Refused, match=r"127\.0\.0\.1"):
                await asking(client)(server.port)

            assert server.connections == 0

    async def test_it_is_asked_again_for_every_new_connection(self) -> None:
        check = Check(_HERE)
        async with HttpClient(check=check, max_idle=0) as client, HostileServer(always(OK)) as server:
            for _ in range(3):
                await asking(client)(server.port)
            assert len(check.seen) == 3


class TestSeveralAddresses:
    async def test_one_that_refuses_leads_to_the_next(self) -> None:
        async with HttpClient(resolver=Names([_ELSEWHERE, _HERE])) as client, HostileServer(always(OK)) as server:
            assert (await asking(client)(server.port, host="a.example")).status == 200

    async def test_one_that_swallows_packets_leaves_time_for_the_next(self) -> None:
        async with HostileServer(always(OK)) as server, HttpClient(resolver=Names([_ELSEWHERE, _HERE])) as client:
            with socket.socket() as listener:
                listener.bind(("127.0.0.2", server.port))
                listener.listen(0)
                fillers = [socket.socket() for _ in range(4)]
                for filler in fillers:
                    filler.setblocking(False)
                    filler.connect_ex(("127.0.0.2", server.port))
                try:
                    assert (await asking(client)(server.port, host="a.example", seconds=0.5)).status == 200
                finally:
                    for filler in fillers:
                        filler.close()

    async def test_if_all_fail_the_error_is_that_of_the_last(self) -> None:
        names = Names([ip_address("127.0.0.3"), _ELSEWHERE])
        async with HttpClient(resolver=names) as client:
            with pytest.raises(ConnectionRefused, match=r"a\.example"):
                await asking(client)(_unused_port(), host="a.example")


async def test_an_error_never_tells_the_address_of_a_name() -> None:
    async with HttpClient(resolver=Names([_ELSEWHERE])) as client:
        with pytest.raises(HttpError) as caught:
            await asking(client)(_unused_port(), host="a.example")

        assert "127.0.0.2" not in str(caught.value) + repr(caught.value)


async def test_without_a_file_descriptor_left_the_server_is_not_blamed(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_descriptor(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("outpost.clients.http.dialler.Dialler._connect", no_descriptor)

    with pytest.raises(OSError, match="Too many open files") as caught:
        await ask(80)
    assert not isinstance(caught.value, (HttpError, DeadlineExceeded))
