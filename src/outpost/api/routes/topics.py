"""`/topics`: what may be published and subscribed to."""

from collections.abc import Sequence

from starlette.responses import Response

from outpost.api.resource import Call, Method, Resource, answer


class TopicRoutes:
    """Shows the configured topics in their order."""

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = list(topics)

    def resources(self) -> list[Resource]:
        return [Resource("/api/v1/topics", {"GET": Method(self._list)})]

    async def _list(self, call: Call) -> Response:
        return answer(self._topics)
