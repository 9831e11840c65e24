"""What a proxy between us and a webhook says about it, which is not the webhook's own word."""

import logging
from collections.abc import Sequence

from outpost.clients.http import TunnelRefused

_logger = logging.getLogger(__name__)

_Headers = Sequence[tuple[bytes, bytes]]

# Envoy, "Response flags": why it has no answer of the server.
_FLAGS = {
    "connection_refused": ("UF", "UH", "LH"),
    "connection_reset": ("UC", "UR", "LR"),
    "timeout": ("UT", "SI", "DT", "UMSDR"),
    "dns_error": ("DF",),
    "network_unreachable": ("NR", "NC"),
    "protocol_error": ("UPE", "DPE"),
}
_CODES = {flag: code for code, flags in _FLAGS.items() for flag in flags}
# Both say that the proxy lets nobody through to this server: 407 without a challenge is how filtering proxies say it.
_FORBIDDEN = (403, 407)


def code_of_answer(headers: _Headers) -> str | None:
    """Return the code of an attempt whose answer Envoy made up itself; None if the answer is the webhook's."""
    found = dict(headers)
    flags = found.get(b"x-envoy-response-flags", b"").decode("latin-1").strip()
    if flags in ("", "-"):
        return None
    details = found.get(b"x-envoy-response-code-details", b"").decode("latin-1")
    _logger.info("the webhook proxy had no answer", extra={"fields": {"envoy_flag": flags, "envoy_details": details}})
    return _CODES.get(flags.partition(",")[0], "network_error")


def code_of_refusal(refused: TunnelRefused) -> str:
    """Return the code of an attempt for which the proxy opened no way."""
    if refused.status in _FORBIDDEN:
        return "egress_refused"
    return code_of_answer(refused.headers) or "connection_refused"
