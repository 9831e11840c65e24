"""`/healthz`: do the workers run? `/readyz`: can the stores be read too, in the form that this version needs?"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.responses import Response

from outpost.api.auth import Access
from outpost.api.collaborators import Health, IsMigrated
from outpost.api.resource import Call, Method, Resource, answer
from outpost.codec import format_time
from outpost.domain.errors import OutpostError
from outpost.domain.identifiers import EventId, TenantId
from outpost.management.tenants import Tenants
from outpost.ports.clock import Clock
from outpost.ports.log_store import LogStore

_PROBE = "readyz"


class HealthRoutes:
    """Answers load balancers and people alike; no error text is shown."""

    def __init__(
        self, *, health: Health, tenants: Tenants, log: LogStore, is_migrated: IsMigrated, clock: Clock
    ) -> None:
        self._is_migrated = is_migrated
        self._health = health
        self._tenants = tenants
        self._log = log
        self._clock = clock

    def resources(self) -> list[Resource]:
        health = {"GET": Method(self._healthz, Access.ANYONE)}
        return [
            Resource("/healthz", health),
            Resource("/api/v1/healthz", health),
            Resource("/readyz", {"GET": Method(self._readyz, Access.ANYONE)}),
        ]

    async def _healthz(self, call: Call) -> Response:
        good, workers = self._health.report()
        return self._answer(good, workers=workers)

    async def _readyz(self, call: Call) -> Response:
        good, workers = self._health.report()
        stores = {
            "tenants": await _works(lambda: self._tenants.find(TenantId(_PROBE))),
            "log": await _works(lambda: self._log.event(EventId(_PROBE))),
            "migrations": await self._is_migrated(),
        }
        return self._answer(good and all(stores.values()), workers=workers, stores=stores)

    def _answer(self, good: bool, **parts: Mapping[str, bool]) -> Response:
        body: dict[str, Any] = {"status": _word(good), "timestamp": format_time(self._clock())}
        for name, part in parts.items():
            body[name] = {key: {"status": _word(value)} for key, value in sorted(part.items())}
        return answer(body, 200 if good else 503)


def _word(good: bool) -> str:
    return "healthy" if good else "failed"


async def _works(probe: Callable[[], Awaitable[object]]) -> bool:
    try:
        await probe()
    except OutpostError:
        return False
    return True
