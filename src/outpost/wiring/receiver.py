"""Checks what arrives at the receiver of `outpost dev`, as a receiver of one's own would."""

import hashlib
import hmac
from collections.abc import Mapping

from outpost.api.dev_receiver import Verify
from outpost.domain.identifiers import EventId
from outpost.wiring.parts import ApiParts


def signature_verdict(api: ApiParts) -> Verify:
    """Return the check: is one of the signatures made with the secret of a destination that was sent this event?"""

    async def verify(headers: Mapping[str, str], body: bytes) -> str:
        sent = headers.get("x-outpost-signature", "")
        if not sent.startswith("v0="):
            return "missing"
        event = await api.log.event(EventId(headers.get("x-outpost-event-id", "")))
        if event is None:
            return "of an unknown event"
        for destination in await api.tenants.destinations(event.tenant_id):
            secret = destination.credentials.get("secret", "")
            expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            if any(hmac.compare_digest(expected, each) for each in sent.removeprefix("v0=").split(",")):
                return "verified"
        return "wrong"

    return verify
