"""`POST /retry`: deliver an event once more."""

from starlette.responses import Response

from outpost.api.bodies import require
from outpost.api.collaborators import Retrying
from outpost.api.fields import Fields
from outpost.api.resource import Call, Method, Resource, answer
from outpost.domain.identifiers import DestinationId, EventId
from outpost.management.audit import audit


class RetryRoutes:
    """Asks for manual attempts."""

    def __init__(self, retrying: Retrying) -> None:
        self._retrying = retrying

    def resources(self) -> list[Resource]:
        return [Resource("/api/v1/retry", {"POST": Method(self._retry)})]

    async def _retry(self, call: Call) -> Response:
        fields = Fields(await call.members())
        event_id = EventId(fields.text("event_id"))
        destination_id = DestinationId(fields.text("destination_id"))
        fields.check()
        require(event_id=event_id, destination_id=destination_id)
        await self._retrying.request(event_id, destination_id, tenant_id=call.caller.tenant_id)
        audit("manual retry initiated", event_id=event_id, destination_id=destination_id, by=call.caller.role)
        return answer({"success": True}, 202)
