"""Who calls: the operator by API key, or a tenant by token.

In this order: no usable header 401; API key → operator; genuine token → tenant, else 401; a tenant on an operator's
route 403; a tenant on another tenant's path 403; a tenant that does not exist (any more) 401. Then, for an operator on
a route whose tenant must exist, 404. The body is read after all of this.
"""

from enum import Enum, auto
from hmac import compare_digest

import msgspec
from starlette.requests import Request

from outpost.api.errors import forbidden, unauthorized
from outpost.api.tokens import TenantTokens, TokenClaims, is_of, subject
from outpost.domain.errors import ConfigurationError, NotFound
from outpost.domain.identifiers import TenantId
from outpost.domain.tenant import TenantOverview
from outpost.management.tenants import Tenants
from outpost.ports.provider import Role

_SCHEME = "Bearer "


class Access(Enum):
    """Who may use a route."""

    ANYONE = auto()
    OPERATOR = auto()
    OPERATOR_OR_TENANT = auto()


class Caller(msgspec.Struct, frozen=True):
    """Who sent a request.

    Attributes:
        tenant: The tenant of the token; None for the operator.
    """

    tenant: TenantOverview | None = None

    @property
    def role(self) -> Role:
        return "admin" if self.tenant is None else "tenant"

    @property
    def tenant_id(self) -> TenantId | None:
        """The only tenant whose things may be seen; None means all."""
        return None if self.tenant is None else self.tenant.tenant.id


OPERATOR = Caller()


class Authenticator:
    """Finds out who calls."""

    def __init__(self, *, api_key: str, allow_open: bool, tokens: TenantTokens, tenants: Tenants) -> None:
        """Args:
        api_key: Empty lets everyone act as the operator.
        allow_open: Confirms that an empty key is meant.

        Raises:
            ConfigurationError: The key is empty and that was not confirmed.
        """
        if not api_key and not allow_open:
            raise ConfigurationError("API_KEY is empty; set it, or ALLOW_OPEN_API=true to let everyone in")
        self._api_key = api_key.encode()
        self._tokens = tokens
        self._tenants = tenants

    async def caller(self, request: Request, access: Access, path_tenant: str | None) -> Caller:
        """Return who calls, if they may.

        Raises:
            Problem: 401 or 403.
        """
        claims = self._claims(request.headers.get("authorization", ""))
        if claims is None:
            return OPERATOR
        tenant_id = subject(claims)
        if access is Access.OPERATOR or path_tenant not in (None, tenant_id):
            raise forbidden()
        tenant = await self._tenants.find(tenant_id)
        if tenant is None or not is_of(claims, tenant.tenant):
            raise unauthorized()
        return Caller(tenant)

    async def path_tenant(self, caller: Caller, tenant_id: str) -> TenantOverview:
        """Return the tenant that a path names.

        Raises:
            NotFound: There is none.
        """
        tenant = caller.tenant or await self._tenants.find(TenantId(tenant_id))
        if tenant is None:
            raise NotFound("tenant")
        return tenant

    def _claims(self, authorization: str) -> TokenClaims | None:
        """Return the claims of a tenant's token, or None for the operator."""
        if not self._api_key:
            return None
        token = authorization.removeprefix(_SCHEME)
        if not authorization.startswith(_SCHEME) or not token or token.startswith(" "):
            raise unauthorized()
        # Header values come decoded as Latin-1; the key is UTF-8.
        if compare_digest(token.encode("latin-1"), self._api_key):
            return None
        claims = self._tokens.verify(token)
        if claims is None:
            raise unauthorized()
        return claims
