"""PgBouncer in front of a test's Postgres, sharing each session among many clients."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.postgres import PASSWORD, USER, PostgresServer
from tests.support.process import free_port
from tests.support.servers import ServerProcess, hand_over, server_folder, server_program

_SETTINGS = """
[databases]
* = host=127.0.0.1 port={server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = transaction
default_pool_size = 4
"""


def pooled_url(url: str, port: int) -> str:
    """Return the URL of the same database behind the pooler at `port`."""
    before, _, after = url.rpartition("@")
    return f"{before}@127.0.0.1:{port}/{after.partition('/')[2]}"


@contextmanager
def running_pgbouncer(postgres: PostgresServer) -> Iterator[int]:
    """Yield the port of a pooler in front of all databases of a server."""
    port = free_port()
    program = server_program("pgbouncer", "/usr/sbin/pgbouncer")
    with server_folder("pgbouncer") as folder, ExitStack() as stack:
        users, settings = folder / "users.txt", folder / "pgbouncer.ini"
        _write(users, f'"{USER}" "{PASSWORD}"\n')
        _write(settings, _SETTINGS.format(server=postgres.port, port=port, users=users))
        server = stack.enter_context(ServerProcess([program, settings], folder=folder))
        server.wait_for("process up")
        yield port


def _write(file: Path, text: str) -> None:
    file.write_text(text)
    hand_over(file)
