"""The proxy with which other tests make a line bad: each fault is what it says, and can be mended."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.fault_proxy import FaultProxy


class _Echo:
    """A server that answers each line with the same line."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.news = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self.lines.append(line)
                self.news.set()
                writer.write(line)
        except ConnectionError:
            pass
        finally:
            writer.close()


class _Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, line: bytes) -> bytes:
        self.writer.write(line)
        return await self.reader.readline()


class _Clients:
    """Opens connections to a proxy."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self.made: list[_Client] = []

    async def new(self) -> _Client:
        client = _Client(*await asyncio.open_connection("127.0.0.1", self._proxy.port))
        self.made.append(client)
        return client


@pytest.fixture
def echo() -> _Echo:
    return _Echo()


@pytest.fixture
async def proxy(echo: _Echo) -> AsyncIterator[FaultProxy]:
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with server, FaultProxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


@pytest.fixture
async def clients(proxy: FaultProxy) -> AsyncIterator[_Clients]:
    clients = _Clients(proxy)
    yield clients
    for client in clients.made:
        client.writer.transport.abort()


async def test_it_passes_on_what_both_sides_send(clients: _Clients, proxy: FaultProxy) -> None:
    one, two = await clients.new(), await clients.new()

    answers = await asyncio.gather(one.ask(b"a\n"), two.ask(b"b" * 50_000 + b"\n"))

    assert [len(answer) for answer in answers] == [2, 50_001]
    assert (proxy.connections, proxy.open) == (2, 2)


async def test_the_end_of_one_side_ends_the_other(clients: _Clients) -> None:
    client = await clients.new()
    await client.ask(b"a\n")

    client.writer.write_eof()

    assert await client.reader.read() == b""


async def test_a_delay_comes_each_way_and_keeps_the_order(clients: _Clients, proxy: FaultProxy) -> None:
    client = await clients.new()
    await client.ask(b"warm\n")
    proxy.delay(milliseconds=60)
    began = asyncio.get_running_loop().time()

    client.writer.write(b"1\n")
    await client.writer.drain()
    client.writer.write(b"2\n")
    answers = [await client.reader.readline(), await client.reader.readline()]

    assert answers == [b"1\n", b"2\n"]
    assert asyncio.get_running_loop().time() - began >= 0.12


async def test_a_silent_line_stays_open_and_what_was_held_back_arrives_later(
    clients: _Clients, proxy: FaultProxy, echo: _Echo
) -> None:
    client = await clients.new()
    await client.ask(b"before\n")
    proxy.silence()

    answer = asyncio.create_task(client.ask(b"during\n"))
    newcomer = await clients.new()
    _, waiting = await asyncio.wait([answer], timeout=0.1)

    assert waiting
    assert echo.lines == [b"before\n"]
    proxy.forward()
    assert await answer == b"during\n"
    assert await newcomer.ask(b"after\n") == b"after\n"


async def test_a_lost_reply_belongs_to_something_that_was_done(
    clients: _Clients, proxy: FaultProxy, echo: _Echo
) -> None:
    client = await clients.new()
    proxy.lose_replies(after=len(b"one\n") + 2)

    first, second = await client.ask(b"one\n"), await client.ask(b"two\n")

    assert (first, second) == (b"one\n", b"tw")
    assert echo.lines == [b"one\n", b"two\n"]
    assert proxy.lost.is_set()
    assert await client.reader.read() == b""
    again = await clients.new()
    assert await again.ask(b"three\n") == b"three\n"


async def test_a_cut_line_ends_and_a_new_one_is_served(clients: _Clients, proxy: FaultProxy) -> None:
    client = await clients.new()
    await client.ask(b"a\n")

    proxy.cut()

    assert await client.reader.read() == b""
    assert await (await clients.new()).ask(b"b\n") == b"b\n"


async def test_a_reset_is_no_orderly_end(clients: _Clients, proxy: FaultProxy) -> None:
    client = await clients.new()
    await client.ask(b"a\n")

    proxy.reset()

    with pytest.raises(ConnectionResetError):
        await client.reader.read()


async def test_a_silent_line_can_be_reset(clients: _Clients, proxy: FaultProxy) -> None:
    client = await clients.new()
    await client.ask(b"a\n")
    proxy.silence()
    client.writer.write(b"b\n")

    proxy.reset()

    with pytest.raises(ConnectionResetError):
        await client.reader.read()


async def test_refusing_means_that_nobody_listens_until_it_forwards_again(clients: _Clients, proxy: FaultProxy) -> None:
    client, port = await clients.new(), proxy.port
    await client.ask(b"a\n")

    proxy.refuse()

    with pytest.raises(ConnectionResetError):
        await client.reader.read()
    with pytest.raises(ConnectionRefusedError):
        await clients.new()
    proxy.forward()
    assert proxy.port == port
    assert await (await clients.new()).ask(b"b\n") == b"b\n"


async def test_a_server_that_is_away_resets_its_clients(echo: _Echo) -> None:
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    target = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()

    async with FaultProxy(target) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.transport.abort()
