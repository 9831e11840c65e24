"""Sealing, held against values that the reference's format demands."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from outpost.crypto import SealBroken, Sealer

SECRET = "golden-fixture-secret"
KEY = b"bcb57ee37cf77b1d6a07ade4fe6f093e"
CREDENTIALS = bytes.fromhex(
    "000102030405060708090a0b4dfe00224b4073bcd7b31350458684fbea5225a063b29eb595bbbb9acefe6a4670337471032aa51307dc37d9"
    "3714809f985cf35efe140ac5b6eb09745625c24922bebea5a2bfbdd06643bb4bd078a8703f1ea895242bc3509d302c2645"
)


@pytest.mark.parametrize(
    ("sealed", "plain"),
    [
        (CREDENTIALS, rb'{"previous_secret":"a\u003cb\u003e\u0026c","secret":"whsec_0123456789abcdef"}'),
        (
            bytes.fromhex(
                "0c0d0e0f10111213141516177d967f7c7617cb243856f5519b42f7318b8b93270a6c4f1ee82f780a01321fa5",
            ),
            b'{"x-env":"prod"}',
        ),
        (bytes.fromhex("000102030405060708090a0b4da19bb0cd9ff1be2494eaf1e79431b632c5"), b"{}"),
    ],
)
def test_what_the_reference_sealed_opens(sealed: bytes, plain: bytes) -> None:
    assert Sealer(SECRET).open(sealed) == plain


def test_what_we_seal_is_nonce_ciphertext_and_tag_under_the_references_key() -> None:
    sealed = Sealer(SECRET).seal(b"plain text")

    assert len(sealed) == len(b"plain text") + 28
    assert AESGCM(KEY).decrypt(sealed[:12], sealed[12:], None) == b"plain text"


def test_the_same_text_is_sealed_differently_every_time() -> None:
    sealer = Sealer(SECRET)

    assert sealer.seal(b"x") != sealer.seal(b"x")


@pytest.mark.parametrize(
    ("secret", "sealed"),
    [
        ("hush", CREDENTIALS),
        (SECRET, CREDENTIALS[:-1] + b"\x00"),
        (SECRET, b"\xff" + CREDENTIALS[1:]),
        (SECRET, CREDENTIALS[:27]),
        (SECRET, b""),
    ],
)
def test_what_does_not_belong_together_does_not_open(secret: str, sealed: bytes) -> None:
    with pytest.raises(SealBroken) as broken:
        Sealer(secret).open(sealed)

    assert secret not in str(broken.value)
