"""Connections to a real server that speaks TLS."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from outpost.clients.postgres import Target, Unavailable, connect
from tests.support.certificates import Certificates, make_certificates
from tests.support.postgres import running_postgres
from tests.support.servers import hand_over, server_folder


@dataclass(frozen=True)
class _Server:
    """A server with a certificate for `localhost`, and its address there without a word about TLS."""

    url: str
    files: Certificates


@pytest.fixture(scope="module")
def server() -> Iterator[_Server]:
    with server_folder("postgres-tls") as folder:
        files = make_certificates(folder, names=("localhost",))
        files.key_file.chmod(0o600)
        for file in (folder, files.certificate_file, files.key_file):
            hand_over(file)
        settings = {"ssl": "on", "ssl_cert_file": str(files.certificate_file), "ssl_key_file": str(files.key_file)}
        with running_postgres(settings) as postgres:
            yield _Server(postgres.url().replace("?sslmode=disable", ""), files)


@pytest.fixture(autouse=True)
def no_usual_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)


async def _is_encrypted(url: str) -> bool:
    async with connect(Target.parse(url), application="outpost") as connection:
        return await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")


def _by_name(server: _Server) -> str:
    return server.url.replace("127.0.0.1", "localhost")


@pytest.mark.parametrize("asked", ["sslmode=verify-full", "sslmode=verify-full&sslrootcert=system"])
async def test_a_server_is_verified_by_the_authorities_of_the_system(
    server: _Server, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    with pytest.raises(Unavailable, match="certificate"):
        await _is_encrypted(f"{_by_name(server)}?{asked}")

    monkeypatch.setenv("SSL_CERT_FILE", str(server.files.ca_file))
    assert await _is_encrypted(f"{_by_name(server)}?{asked}")


async def test_the_name_counts_for_verify_full_and_not_for_verify_ca(
    server: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.files.ca_file))

    with pytest.raises(Unavailable, match="certificate"):
        await _is_encrypted(f"{server.url}?sslmode=verify-full")
    assert await _is_encrypted(f"{server.url}?sslmode=verify-ca")


async def test_a_server_is_verified_by_the_authorities_of_a_file(server: _Server) -> None:
    assert await _is_encrypted(f"{_by_name(server)}?sslmode=verify-full&sslrootcert={server.files.ca_file}")
    assert await _is_encrypted(f"{server.url}?sslmode=require")
