"""`/healthz`: do the workers run? `/readyz`: can the stores be read too, in the form that this version needs?"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from outpost.api.auth import Access
from outpost.api.collaborators import Health, IsMigrated, Probe
from outpost.api.resource import Call, Method, Resource, answer
from outpost.codec import format_time
from outpost.domain.errors import OutpostError
from outpost.ports.clock import Clock


class HealthRoutes:
    """Answers load balancers and people alike; no error text is shown."""

    def __init__(self, *, health: Health, probes: Mapping[str, Probe], is_migrated: IsMigrated, clock: Clock) -> None:
        """Args:
        probes: One for each store that this process uses, by the name it is reported under.
        """
        self._health = health
        self._probes = probes
        self._is_migrated = is_migrated
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
        stores = {name: await _works(probe) for name, probe in self._probes.items()}
        stores["migrations"] = await self._is_migrated()
        return self._answer(good and all(stores.values()), workers=workers, stores=stores)

    def _answer(self, good: bool, **parts: Mapping[str, bool]) -> Response:
        body: dict[str, Any] = {"status": _word(good), "timestamp": format_time(self._clock())}
        for name, part in parts.items():
            body[name] = {key: {"status": _word(value)} for key, value in sorted(part.items())}
        return answer(body, 200 if good else 503)


def _word(good: bool) -> str:
    return "healthy" if good else "failed"


async def _works(probe: Probe) -> bool:
    try:
        await probe()
    except OutpostError:
        return False
    return True
