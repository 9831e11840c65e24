"""Sealing of secrets at rest, in the reference's format.

    sealed value = nonce (12 bytes) | ciphertext (as long as the plain text) | tag (16 bytes)

AES-256-GCM without associated data. The key is the MD5 of the configured secret, written as 32 lower-case hexadecimal
digits, whose ASCII characters are the key's bytes.
"""

import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_TAG_BYTES = 16


class SealBroken(Exception):
    """A sealed value does not open: another secret sealed it, or it is damaged."""


class Sealer:
    """Seals and opens values with one secret. Safe to use from several threads."""

    def __init__(self, secret: str) -> None:
        key = hashlib.md5(secret.encode(), usedforsecurity=False).hexdigest().encode("ascii")
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes) -> bytes:
        """Return `plain` sealed; 28 bytes longer, and different every time."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, None)

    def open(self, sealed: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            SealBroken: It was sealed with another secret, changed since, or is too short.
        """
        if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
            raise SealBroken(f"a sealed value has at least {_NONCE_BYTES + _TAG_BYTES} bytes, this one {len(sealed)}")
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except InvalidTag:
            raise SealBroken("sealed with another secret, or damaged") from None
