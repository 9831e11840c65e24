"""`POST /publish`: accept an event.

The one request that comes by the thousand, so it is read in two ways. A good body is decoded in one step straight into
what the publisher takes; `data` is cut out of it as it stands. Only a body that this refuses is read a second time,
slowly, to find out whether it can be accepted after all and, if not, to say exactly why.
"""

import msgspec
from starlette.responses import Response

from outpost.api.auth import Access
from outpost.api.bodies import require
from outpost.api.collaborators import Publish
from outpost.api.errors import JSON, invalid_json
from outpost.api.fields import Fields
from outpost.api.json_values import as_object, first_value
from outpost.api.resource import Call, Method, Resource
from outpost.codec import parse_time
from outpost.domain.errors import ValidationFailed
from outpost.domain.identifiers import DestinationId, EventId, TenantId
from outpost.domain.tenant import StringMap
from outpost.pipeline.publish import PublishCommand


class PublishRoutes:
    """The road to the publisher for requests that are not plain enough for the short one."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish

    def resources(self) -> list[Resource]:
        return [Resource("/api/v1/publish", {"POST": Method(self._accept, Access.OPERATOR)})]

    async def _accept(self, call: Call) -> Response:
        result = await self._publish(decode_publish(await call.body()))
        return Response(encode_published(result), 202, media_type=JSON)


class _Body(msgspec.Struct):
    """A publish request as it is sent; null stands for absent."""

    tenant_id: str
    data: msgspec.Raw
    topic: str | None = None
    id: str | None = None
    destination_id: str | None = None
    eligible_for_retry: bool | None = None
    time: str | None = None
    metadata: StringMap | None = None


class _Data(msgspec.Struct):
    """What the slow way still needs to see as it was sent."""

    data: msgspec.Raw


_decode = msgspec.json.Decoder(_Body).decode
_decode_data = msgspec.json.Decoder(_Data).decode

encode_published = msgspec.json.Encoder().encode
"""Turns a `PublishResult` into the body of the answer."""


def decode_publish(body: bytes) -> PublishCommand:
    """Return what a body asks for.

    Raises:
        Problem, ValidationFailed: It cannot be accepted; the error says what is wrong.
    """
    try:
        sent = _decode(body)
        # The decoder looks into texts it hands over, not into those it skips.
        str(body, "utf-8")
        time = None if sent.time is None else parse_time(sent.time)
    except (ValueError, RecursionError):
        return _read_slowly(body)
    data = bytes(sent.data)
    if data[:1] != b"{" or not sent.tenant_id or b"\\u0000" in body:
        return _read_slowly(body)
    return PublishCommand(
        tenant_id=TenantId(sent.tenant_id),
        data=data,
        topic=sent.topic or "",
        id=EventId(sent.id) if sent.id else None,
        destination_id=DestinationId(sent.destination_id) if sent.destination_id else None,
        eligible_for_retry=sent.eligible_for_retry is not False,
        time=time,
        metadata=sent.metadata or {},
    )


def _read_slowly(body: bytes) -> PublishCommand:
    value, raw = first_value(body, as_sent="data")
    members = as_object(value)
    fields = Fields(members)
    command = PublishCommand(
        tenant_id=TenantId(fields.text("tenant_id")),
        data=b"",
        topic=fields.text("topic"),
        id=EventId(fields.text("id")) or None,
        destination_id=DestinationId(fields.text("destination_id")) or None,
        eligible_for_retry=fields.boolean("eligible_for_retry", default=True),
        time=fields.instant("time"),
        metadata=fields.strict_string_map("metadata"),
    )
    fields.check()
    require(tenant_id=command.tenant_id, data=fields.has("data"))
    if not isinstance(members["data"], dict):
        raise ValidationFailed("data must be a valid JSON object")
    try:
        data = bytes(_decode_data(raw).data)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise invalid_json(str(error)) from None
    return msgspec.structs.replace(command, data=data)
