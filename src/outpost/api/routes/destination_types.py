"""`/destination-types`: what a destination can be, and the fields each type has."""

from starlette.responses import Response

from outpost.api.resource import Call, Method, Resource, answer
from outpost.domain.errors import NotFound, UnknownDestinationType
from outpost.management.providers import Providers


class DestinationTypeRoutes:
    """Shows the schemas of the destination types."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers

    def resources(self) -> list[Resource]:
        return [
            Resource("/api/v1/destination-types", {"GET": Method(self._list)}),
            Resource("/api/v1/destination-types/{type}", {"GET": Method(self._get)}),
        ]

    async def _list(self, call: Call) -> Response:
        return answer(list(self._providers.schemas()))

    async def _get(self, call: Call) -> Response:
        try:
            return answer(self._providers.provider(call.path("type")).schema)
        except UnknownDestinationType:
            raise NotFound("destination type") from None
