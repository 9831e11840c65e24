"""The wrapper that migrates and then becomes the server."""

import signal

from tests.support.image import SECRETS, Container, ended
from tests.support.servers import free_port

WRAPPER = ["migrate-then-serve"]
LEAVES_ITS_LOCK = {"OUTPOST_MIGRATE_TESTING": "1", "OUTPOST_MIGRATE_FAILPOINT": "sqlite.before_commit:1:kill"}


def test_it_migrates_and_serves_and_does_so_again(embedded: Container) -> None:
    assert embedded.serves(entrypoint=WRAPPER)
    assert embedded.serves(entrypoint=WRAPPER)


def test_it_becomes_the_server_so_that_signals_reach_it(embedded: Container) -> None:
    port = free_port()
    server = embedded.start(entrypoint=WRAPPER, API_PORT=str(port), **SECRETS)
    embedded.until_healthy(server, port)

    with open(f"/proc/{server.pid}/cmdline") as file:
        words = file.read().split("\0")
    server.terminate()

    assert words[2:4] == ["serve", ""]
    assert ended(server).code == 0


def test_its_arguments_are_those_of_serve(embedded: Container) -> None:
    answer = embedded.run("--api-port", "nonsense", entrypoint=WRAPPER, **SECRETS)

    assert answer.code == 64
    assert "--api-port" in answer.err


def test_the_server_does_not_start_after_a_failed_migration(embedded: Container) -> None:
    (embedded.data / "outpost.db").write_bytes(b"no database at all, but long enough to be read as one" * 30)

    answer = embedded.run(entrypoint=WRAPPER, **SECRETS)

    assert answer.code == 16
    assert "restore it from a backup" in answer.err


def test_being_stopped_while_it_migrates_stops_the_migration_and_starts_no_server(embedded: Container) -> None:
    embedded.run("migrate", "apply", "--yes", **LEAVES_ITS_LOCK)
    waiting = embedded.start(entrypoint=WRAPPER, **SECRETS)
    assert waiting.stderr is not None
    while "waiting for the lock" not in (line := waiting.stderr.readline()):
        assert line, ended(waiting)

    waiting.send_signal(signal.SIGTERM)
    answer = ended(waiting)

    assert answer.code == 143
    assert "Interrupted" in answer.err
