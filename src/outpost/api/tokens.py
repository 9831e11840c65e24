"""Tokens that let a tenant act for itself: JSON Web Tokens, HS256.

    {"iss":"outpost","sub":<tenant id>,"iat":…,"exp":…,"deployment_id":…,"tenant_created_at":…}

`tenant_created_at` (milliseconds) ties a token to one life of its tenant: when the tenant is deleted and its id used
again, older tokens stay invalid. Tokens of the reference lack it and are accepted without.
"""

import re
from collections import OrderedDict
from datetime import timedelta

import msgspec
from jwt import PyJWS
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import PyJWTError

from outpost.codec import to_milliseconds
from outpost.domain.errors import ConfigurationError
from outpost.domain.identifiers import TenantId
from outpost.domain.tenant import Tenant
from outpost.ports.clock import Clock

LIFETIME = timedelta(hours=24)

_ISSUER = "outpost"
_CACHED = 1024
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
"""RFC 7515, 2 and 7.1: base64url without padding. The decoder passes over padding and any other character."""


class TokenClaims(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a token says; times are seconds since 1970."""

    iss: str
    sub: str
    exp: int | float
    iat: int | float | None = None
    nbf: int | float | None = None
    deployment_id: str | None = None
    tenant_created_at: int | None = None


class TenantTokens:
    """Issues and verifies tenant tokens. What was verified is remembered, and only its times are looked at again."""

    def __init__(self, *, secret: str, deployment_id: str, clock: Clock) -> None:
        """Raises ConfigurationError if the secret is empty: anyone could then sign."""
        if not secret:
            raise ConfigurationError("API_JWT_SECRET is empty; set it to a long random text")
        self._key = secret.encode()
        self._deployment_id = deployment_id or None
        self._clock = clock
        self._jws = PyJWS(algorithms=[])
        self._jws.register_algorithm("HS256", _Hs256(HMACAlgorithm.SHA256))
        self._decoder = msgspec.json.Decoder(TokenClaims)
        self._verified: OrderedDict[str, TokenClaims] = OrderedDict()

    def issue(self, tenant: Tenant) -> str:
        now = int(self._clock().timestamp())
        claims = TokenClaims(
            iss=_ISSUER,
            sub=tenant.id,
            iat=now,
            exp=now + int(LIFETIME.total_seconds()),
            deployment_id=self._deployment_id,
            tenant_created_at=to_milliseconds(tenant.created_at),
        )
        return self._jws.encode(msgspec.json.encode(claims), self._key, algorithm="HS256", headers={"typ": "JWT"})

    def verify(self, token: str) -> TokenClaims | None:
        """Return the claims of a token that is genuine and valid now, else None."""
        claims = self._verified.get(token) or self._read(token)
        now = self._clock().timestamp()
        if claims is None or claims.exp <= now or (claims.nbf is not None and claims.nbf > now):
            return None
        return claims

    def _read(self, token: str) -> TokenClaims | None:
        if not _COMPACT.fullmatch(token):
            return None
        try:
            claims = self._decoder.decode(self._jws.decode(token, self._key, algorithms=["HS256"]))
        except (PyJWTError, msgspec.MsgspecError, ValueError, RecursionError):
            return None
        if claims.iss != _ISSUER or not claims.sub:
            return None
        if self._deployment_id is not None and claims.deployment_id != self._deployment_id:
            return None
        self._verified[token] = claims
        if len(self._verified) > _CACHED:
            self._verified.popitem(last=False)
        return claims


def is_of(claims: TokenClaims, tenant: Tenant) -> bool:
    """Say whether a token was issued in this life of its tenant."""
    return claims.tenant_created_at in (None, to_milliseconds(tenant.created_at))


def subject(claims: TokenClaims) -> TenantId:
    return TenantId(claims.sub)


class _Hs256(HMACAlgorithm):
    """HS256 with a key of any length: what API_JWT_SECRET holds is the operator's choice."""

    def check_key_length(self, key: bytes) -> str | None:
        return None
