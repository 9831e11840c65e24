"""TLS as a connection string asks for it, where asyncpg needs help.

It reads the files that are named when it connects; what it raises then names none, and looks as if the server were
away. And it knows no authorities but those in a file, while drivers of other languages trust those of the system.
"""

import os
import ssl
from collections.abc import Callable
from pathlib import Path

from outpost.clients.postgres.target import InvalidTarget, Target

_TRUSTS_NOBODY = ("disable", "allow", "prefer")
_VERIFIES = ("verify-ca", "verify-full")
_OF_THE_SYSTEM = "system"


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
            if (file := named.get(name)) and (name, file) != ("sslrootcert", _OF_THE_SYSTEM):
                _read(name, file, lambda file=file: context.load_verify_locations(cafile=file))
    if named.get("sslrootcert") == _OF_THE_SYSTEM and mode != "verify-full":
        raise InvalidTarget("sslrootcert=system needs sslmode=verify-full: anyone can get a certificate for some name")
    if file := named.get("sslcert"):
        key = named.get("sslkey")
        if key:
            _read("sslkey", key, lambda: open(key, "rb").close())
        password = named.get("sslpassword", "")
        _read("sslcert", file, lambda: context.load_cert_chain(file, keyfile=key, password=lambda: password))


def system_trust(target: Target) -> ssl.SSLContext | None:
    """Return how to verify a server by the authorities of this system; None if they are not asked for.

    They are by `sslmode=verify-ca` or `verify-full` without a file of authorities, as with the original program, and by
    `sslrootcert=system`, as with libpq. Call `check_tls_files` first.
    """
    named = target.options
    mode, authorities = named.get("sslmode", "prefer"), named.get("sslrootcert")
    if mode not in _VERIFIES or (authorities != _OF_THE_SYSTEM if authorities else _has_usual_authorities()):
        return None
    context = ssl.create_default_context()
    context.check_hostname = mode == "verify-full"
    if file := named.get("sslcrl"):
        context.load_verify_locations(cafile=file)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    if file := named.get("sslcert"):
        password = named.get("sslpassword", "")
        context.load_cert_chain(file, keyfile=named.get("sslkey"), password=lambda: password)
    return context


def _has_usual_authorities() -> bool:
    return bool(os.environ.get("PGSSLROOTCERT")) or Path("~/.postgresql/root.crt").expanduser().exists()


def _read(name: str, file: str, load: Callable[[], object]) -> None:
    try:
        load()
    except OSError as error:  # also that it holds no certificate
        raise InvalidTarget(f"{name}: {file} cannot be read: {error.strerror or error}") from None
