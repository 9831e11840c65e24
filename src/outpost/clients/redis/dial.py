"""Opening a connection: the socket, TLS, login, admission."""

import asyncio
import socket
import ssl
from functools import partial
from typing import Any

from outpost.clients.redis.connection import Connection, Owner
from outpost.clients.redis.encoding import Argument, encode
from outpost.clients.redis.errors import RedisNotConnected, RedisReplyError, RedisUnavailable, error_of_reply
from outpost.clients.redis.options import RedisOptions


async def dial(options: RedisOptions, owner: Owner) -> Connection:
    """Return a connection that is logged in and has its database selected.

    Raises:
        RedisUnavailable: Nobody answered in time, or the server cannot serve yet. No command was executed.
        RedisReplyError: The server refused the login or the database.
        RedisError: `options.admit` refused the server.
    """
    loop = asyncio.get_running_loop()
    connection = Connection(owner, loop, endpoint=options.endpoint, response_timeout=options.response_timeout)
    limit = asyncio.timeout(options.connect_timeout)
    try:
        async with limit:
            await _open(options, connection)
            await _log_in(options, connection)
            if options.admit is not None:
                await options.admit(options.endpoint, partial(_send, connection))
    except BaseException as error:
        connection.end("the connection was closed")
        if isinstance(error, TimeoutError) and limit.expired():
            raise RedisNotConnected(options.endpoint, f"no answer within {options.connect_timeout:g} s") from None
        raise
    return connection


async def _open(options: RedisOptions, connection: Connection) -> None:
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_connection(
            lambda: connection,
            options.host,
            options.port,
            ssl=options.tls,
            server_hostname=options.host if options.tls else None,
        )
        # The kernel notices a dead peer also while no command is waiting.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except OSError as error:
        raise RedisNotConnected(options.endpoint, _why(error)) from error


async def _log_in(options: RedisOptions, connection: Connection) -> None:
    """Send everything in one flight, and refuse by the first refusal."""
    commands: list[tuple[Argument, ...]] = []
    if options.password:
        commands.append(("AUTH", *([options.username] if options.username else []), options.password))
    if options.database:
        commands.append(("SELECT", options.database))
    if options.name:
        commands.append(("CLIENT", "SETNAME", options.name))
    if not commands:
        return
    replies = [_send(connection, *command) for command in commands]
    for command, outcome in zip(commands, await asyncio.gather(*replies, return_exceptions=True), strict=True):
        if isinstance(outcome, RedisUnavailable):
            raise RedisNotConnected(options.endpoint, outcome.detail)
        if isinstance(outcome, RedisReplyError) and command[0] != "CLIENT":  # a name is nice to have
            raise error_of_reply(options.endpoint, outcome.detail, secret=options.password)


def _send(connection: Connection, *command: Argument) -> asyncio.Future[Any]:
    reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    connection.send(encode(command), reply)
    return reply


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS failed: {error.verify_message.rstrip('.').lower()}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or 'connection lost').lower().replace('_', ' ')}"
    if isinstance(error, socket.gaierror):
        return "the host name could not be resolved"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, ConnectionError):
        return "the connection broke off"
    return (error.strerror or "the connection failed").lower()
