"""TLS as a connection string asks for it."""

from pathlib import Path

import pytest

from outpost.clients.postgres import InvalidTarget, Target, check_tls_files
from outpost.clients.postgres.tls import system_trust
from tests.support.certificates import make_certificates


def _check(**parameters: object) -> None:
    pairs = "&".join(f"{name}={value}" for name, value in parameters.items())
    check_tls_files(Target.parse(f"postgres://me:hunter2@db/outpost?{pairs}"))


@pytest.fixture(autouse=True)
def no_usual_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)


@pytest.mark.parametrize("name", ["sslrootcert", "sslcrl", "sslcert"])
@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), ("hunter2", "")], ids=["missing", "foreign"])
def test_a_file_that_is_none_is_refused_by_parameter_and_name(
    tmp_path: Path, name: str, content: str | None, reason: str
) -> None:
    file = tmp_path / "file.pem"
    if content is not None:
        file.write_text(content)

    with pytest.raises(InvalidTarget, match=f"^{name}: {file} cannot be read: .*{reason}") as raised:
        _check(sslmode="require", **{name: file})

    assert "hunter2" not in str(raised.value)


def test_a_key_that_is_missing_is_refused_by_name(tmp_path: Path) -> None:
    certificate = make_certificates(tmp_path).certificate_file

    with pytest.raises(InvalidTarget, match=f"^sslkey: {tmp_path / 'key'} cannot be read: No such file"):
        _check(sslmode="require", sslcert=certificate, sslkey=tmp_path / "key")


def test_the_authorities_of_the_system_need_the_whole_verification() -> None:
    """As with libpq: they vouch for everybody, so that the name decides."""
    with pytest.raises(InvalidTarget, match="sslrootcert=system needs sslmode=verify-full"):
        _check(sslmode="verify-ca", sslrootcert="system")

    _check(sslmode="verify-full", sslrootcert="system")


def _trust(parameters: str) -> bool:
    return system_trust(Target.parse(f"postgres://me:hunter2@db/outpost?{parameters}")) is not None


def test_the_authorities_of_the_system_are_trusted_where_none_are_named(tmp_path: Path) -> None:
    assert _trust("sslmode=verify-full")
    assert _trust("sslmode=verify-ca")
    assert _trust("sslmode=verify-full&sslrootcert=system")
    assert not _trust("sslmode=verify-full&sslrootcert=/some/file")
    assert not _trust("sslmode=require")

    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").touch()
    assert not _trust("sslmode=verify-full")


def test_files_that_are_right_or_not_read_are_no_trouble(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)

    _check(sslmode="verify-full", sslrootcert=files.ca_file, sslcert=files.certificate_file, sslkey=files.key_file)
    _check(sslmode="disable", sslrootcert="/no/such/file", sslcert="/no/such/file")
    _check(sslmode="prefer", sslrootcert="/no/such/file")
