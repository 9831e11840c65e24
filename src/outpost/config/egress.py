"""Settings of the guard before destinations' addresses."""

from typing import Annotated, ClassVar

from outpost.config import checks
from outpost.config.setting import Key, Section


class EgressSettings(Section, frozen=True, kw_only=True):
    """Which addresses a destination may reach."""

    title: ClassVar[str] = "Egress"

    guard: Annotated[
        bool,
        Key(
            "EGRESS_GUARD",
            "egress.guard",
            "Refuse loopback, private, link-local, metadata and other addresses that are not public.",
        ),
    ] = True
    allow: Annotated[
        tuple[str, ...],
        Key(
            "EGRESS_ALLOW",
            "egress.allow",
            "Allowed in spite of the guard: networks (`10.0.0.0/8`), host names, suffixes (`*.internal`).",
            check=checks.network_or_host,
        ),
    ] = ()
    follow_redirects: Annotated[
        bool,
        Key(
            "EGRESS_FOLLOW_REDIRECTS",
            "egress.follow_redirects",
            "Follow redirects of a webhook, each step checked anew. Off: a redirect is a failed attempt.",
        ),
    ] = False
