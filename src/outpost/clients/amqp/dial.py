"""Opening a connection: the socket, TLS, login."""

import asyncio
import socket
import ssl

from outpost.clients.amqp.connection import Connection
from outpost.clients.amqp.errors import AmqpNotConnected
from outpost.clients.amqp.options import AmqpOptions


async def connect(options: AmqpOptions) -> Connection:
    """Return a connection that is logged in; close it with `Connection.close`.

    Raises:
        AmqpNotConnected: Nobody answered in time, or not in AMQP.
        AmqpLoginRefused: The broker refused the user, the password or the virtual host.
    """
    connection = Connection(options)
    limit = asyncio.timeout(options.connect_timeout)
    try:
        async with limit:
            await _open(options, connection)
            await connection.opened()
    except BaseException as error:
        connection.end("the connection was closed")
        if isinstance(error, TimeoutError) and limit.expired():
            raise AmqpNotConnected(options.endpoint, f"no answer within {options.connect_timeout:g} s") from None
        raise
    return connection


async def _open(options: AmqpOptions, connection: Connection) -> None:
    loop = asyncio.get_running_loop()
    try:
        await loop.create_connection(
            lambda: connection,
            options.host,
            options.port,
            ssl=options.tls,
            server_hostname=(options.server_name or options.host) if options.tls else None,
        )
    except OSError as error:
        raise AmqpNotConnected(options.endpoint, _why(error)) from error


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
