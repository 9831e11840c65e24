"""Request bodies: as bytes, up to a limit, and as the things they ask for."""

from msgspec import UNSET
from starlette.requests import Request

from outpost.api.errors import too_large
from outpost.api.fields import Fields
from outpost.domain.destination import JsonObject
from outpost.domain.errors import ValidationFailed
from outpost.domain.identifiers import DestinationId
from outpost.management.destination_requests import DestinationPatch, NewDestination


async def read_body(request: Request, limit: int) -> bytes:
    """Return the whole body, chunked or not.

    Raises:
        Problem: It is longer than `limit` bytes; no more than that is kept in memory.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise too_large(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large(limit)
    return bytes(body)


def new_destination(members: JsonObject) -> NewDestination:
    """Raises Problem or ValidationFailed."""
    fields = Fields(members)
    topics = fields.topics("topics")
    new = NewDestination(
        type=fields.text("type"),
        topics=topics or (),
        id=DestinationId(fields.text("id")) or None,
        filter=fields.object("filter"),
        config=fields.string_map("config"),
        credentials=fields.string_map("credentials"),
        delivery_metadata=fields.string_map("delivery_metadata"),
        metadata=fields.string_map("metadata"),
        created_at=fields.instant("created_at"),
        updated_at=fields.instant("updated_at"),
        disabled_at=fields.instant("disabled_at"),
    )
    fields.check()
    require(type=new.type, topics=topics is not None)
    return new


def destination_patch(members: JsonObject) -> DestinationPatch:
    """Raises Problem or ValidationFailed."""
    fields = Fields(members)
    topics = fields.topics("topics")
    patch = DestinationPatch(
        type=fields.text("type") or UNSET,
        topics=UNSET if topics is None else topics,
        filter=fields.object_patch("filter"),
        config=fields.string_patch("config"),
        credentials=fields.string_patch("credentials"),
        delivery_metadata=fields.string_patch("delivery_metadata"),
        metadata=fields.string_patch("metadata"),
        disabled_at=fields.instant_patch("disabled_at"),
    )
    fields.check()
    return patch


def require(**present: object) -> None:
    """Raises ValidationFailed naming each field whose value is empty, in the order given."""
    missing = [f"{name} is required" for name, value in present.items() if not value]
    if missing:
        raise ValidationFailed(*missing)
