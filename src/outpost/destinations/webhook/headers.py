"""The headers of a webhook.

Later ones win over earlier ones of the same name:

    custom headers, authorization of the URL    the same for every event of a destination
    one per metadata entry                      system (event-id, topic, timestamp) < delivery metadata < event metadata
    signature

Content-Type, User-Agent and what frames the request are Outpost's own, whatever the others say.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from outpost.codec import format_seconds, format_time
from outpost.destinations.webhook.settings import (
    HEADER_NAME,
    HTTP_TOKEN,
    RESERVED_HEADERS,
    SYSTEM_KEYS,
    WebhookSettings,
)
from outpost.domain.destination import Destination
from outpost.domain.event import Event

_ILLEGAL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")
_LINES = re.compile(rf"(?:{HTTP_TOKEN.pattern}: [^\x00-\x08\x0a-\x1f\x7f]*\r\n)*", re.ASCII)

_SECOND = timedelta(seconds=1)
_NEVER = datetime.max.replace(tzinfo=UTC)

# What frames the request or belongs to the connection (RFC 9110, 7.6.1). Neither a tenant nor an event sets these.
_NOT_OURS_TO_SEND = RESERVED_HEADERS | {
    "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip

Headers = dict[str, str]


def custom_headers(config: Mapping[str, str]) -> dict[str, str] | None:
    """Return the custom headers; None if the setting is not a JSON object of strings."""
    text = config.get("custom_headers", "")
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, RecursionError):
        return None


def custom_header_problems(config: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the custom headers, in their order."""
    headers = custom_headers(config)
    if headers is None:
        return ["config.custom_headers failed invalid validation"]
    problems: list[str] = []
    for name, value in headers.items():
        field = f"config.custom_headers.{name.lower()}"
        if not HEADER_NAME.fullmatch(name):
            problems.append(f"{field} failed pattern validation")
        elif name.lower() in RESERVED_HEADERS:
            problems.append(f"{field} is forbidden")
        elif not value:
            problems.append(f"{field} is required")
    return problems


class OwnHeaders(msgspec.Struct, frozen=True):
    """What a destination sends with every event.

    Attributes:
        headers: Those of the destination itself, lower-case.
        metadata: Its delivery metadata, for whose names a plan decides.
        lines: Both as text, checked; None where an event may change them, or they must be looked at each time.
    """

    headers: Headers
    metadata: Mapping[str, str]
    lines: str | None


class HeaderPlan:
    """Encodes the headers of one mode."""

    def __init__(self, settings: WebhookSettings) -> None:
        """Raises ConfigurationError for names that cannot be used."""
        names = settings.header_names()
        self._names = {key: names[key] for key in SYSTEM_KEYS}
        self._signature = names["signature"]
        self._prefix = settings.prefix
        self._standard = settings.mode == "standard"
        self._with_milliseconds = settings.include_millisecond_timestamp
        self._user_agent = settings.user_agent
        self._second = (_NEVER, _NEVER, "")
        # A field name holds no braces (RFC 9110, 5.6.2), so each is safe in a format.
        self._system_lines = "".join(
            [f"{name}: {{{place}}}\r\n" for place, name in enumerate(self._names.values()) if name is not None]
        )

    @property
    def signs(self) -> bool:
        """Whether there is a header for signatures."""
        return self._signature is not None

    def own(self, destination: Destination, authorization: str | None) -> OwnHeaders:
        """Return what a destination sends with every event."""
        headers: Headers = {}
        for name, value in (custom_headers(destination.config) or {}).items():
            _put(headers, name, value)
        if authorization is not None:
            headers.setdefault("authorization", authorization)
        headers = {"content-type": "application/json", **headers, "user-agent": self._user_agent}
        metadata = destination.delivery_metadata
        return OwnHeaders(headers, metadata, self._own_lines(headers, metadata))

    def encode(self, own: OwnHeaders, event: Event, signature: str | None, now: datetime) -> bytes:
        """Return the header lines of one request."""
        if own.lines is not None and not event.metadata and (event.id + event.topic + (signature or "")).isprintable():
            text = own.lines + self._system_lines.format(event.id, event.topic, self._timestamp(now))
            if signature is not None:
                text += f"{self._signature}: {signature}\r\n"
            return text.encode("utf-8", "replace")
        return self._encode_slowly(own, event, signature, now)

    def _timestamp(self, now: datetime) -> str:
        """Return the present second as text; made once for all events of that second."""
        begin, end, text = self._second
        if not begin <= now < end:
            begin = now.replace(microsecond=0)
            text = format_seconds(now)
            self._second = (begin, begin + _SECOND, text)
        return text

    def _own_lines(self, own: Headers, metadata: Mapping[str, str]) -> str | None:
        """Return what can be written once for all events that carry no metadata of their own."""
        if self._standard or self._with_milliseconds:
            return None
        headers = dict(own)
        for key, value in metadata.items():
            _put(headers, self._prefix + key, value)
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        taken = {*self._names.values(), self._signature}
        if not taken.isdisjoint(headers) or not self._names.keys().isdisjoint(metadata):
            return None
        return lines if _is_clean(lines, len(headers)) else None

    def _encode_slowly(self, own: OwnHeaders, event: Event, signature: str | None, now: datetime) -> bytes:
        metadata = {
            "event-id": event.id,
            "topic": event.topic,
            "timestamp": format_seconds(now),
            **({"timestamp-ms": format_time(now)} if self._with_milliseconds else {}),
            **own.metadata,
            **event.metadata,
        }
        headers = dict(own.headers)
        if self._standard:
            self._put_standard(headers, metadata, event, now)
        else:
            for key, value in metadata.items():
                name = self._names[key] if key in self._names else self._prefix + key
                if name is not None:
                    _put(headers, name, value)
        if signature is not None and self._signature is not None:
            headers[self._signature] = signature
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if not _is_clean(lines, len(headers)):
            lines = "".join(_cleaned(headers))
        return lines.encode("utf-8", "replace")

    def _put_standard(self, headers: Headers, metadata: Mapping[str, str], event: Event, now: datetime) -> None:
        """Metadata with the prefix, that of the event also without; what the signature covers comes last."""
        for key, value in metadata.items():
            if key not in ("event-id", "timestamp"):
                _put(headers, self._prefix + key, value)
        for key, value in event.metadata.items():
            _put(headers, key, value)
        headers[str(self._names["event-id"])] = event.id
        headers[str(self._names["timestamp"])] = str(int(now.timestamp()))


def _put(headers: Headers, name: str, value: str) -> None:
    name = name.lower()
    if name not in _NOT_OURS_TO_SEND:
        headers[name] = value


def _is_clean(lines: str, count: int) -> bool:
    """Say whether HTTP can carry the lines: no value begins a line of its own, and no name or value is illegal."""
    return lines.count("\n") == count and _LINES.fullmatch(lines) is not None


def _cleaned(headers: Headers) -> list[str]:
    """Leave out what HTTP cannot carry: a name that is none, control characters in a value."""
    return [f"{name}: {_ILLEGAL.sub(' ', value)}\r\n" for name, value in headers.items() if HTTP_TOKEN.fullmatch(name)]
