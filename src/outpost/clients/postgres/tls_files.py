"""The files that a connection string names for TLS, tried before anything is connected.

asyncpg reads them when it connects. What it raises then names no file, and looks as if the server were away.
"""

import os
import ssl
from collections.abc import Callable
from pathlib import Path

from outpost.clients.postgres.target import InvalidTarget, Target

_TRUSTS_NOBODY = ("disable", "allow", "prefer")
_NEEDS_AUTHORITIES = ("verify-ca", "verify-full")


def check_tls_files(target: Target) -> None:
    """Read the files that connecting would read.

    Raises:
        InvalidTarget: One cannot be read, or holds something else; names the parameter and the file.
    """
    named = target.options
    mode = named.get("sslmode", "prefer")
    if mode == "disable":
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if mode not in _TRUSTS_NOBODY:
        for name in ("sslrootcert", "sslcrl"):
            if file := named.get(name):
                _read(name, file, lambda file=file: context.load_verify_locations(cafile=file))
    if mode in _NEEDS_AUTHORITIES and not named.get("sslrootcert") and not _has_usual_authorities():
        raise InvalidTarget(f"sslmode={mode} needs sslrootcert, a file of authorities to trust")
    if file := named.get("sslcert"):
        key = named.get("sslkey")
        if key:
            _read("sslkey", key, lambda: open(key, "rb").close())
        password = named.get("sslpassword", "")
        _read("sslcert", file, lambda: context.load_cert_chain(file, keyfile=key, password=lambda: password))


def _has_usual_authorities() -> bool:
    return bool(os.environ.get("PGSSLROOTCERT")) or Path("~/.postgresql/root.crt").expanduser().exists()


def _read(name: str, file: str, load: Callable[[], object]) -> None:
    try:
        load()
    except OSError as error:  # also that it holds no certificate
        raise InvalidTarget(f"{name}: {file} cannot be read: {error.strerror or error}") from None
