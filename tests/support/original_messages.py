"""Messages as the original program writes them, and its rules for reading ours (pipeline specification, section 2).

It runs where clocks are five and a half hours ahead, tells times to the nanosecond, and escapes three characters.
"""

import json
import re
from typing import Any

EVENT = (
    b'{"id":"evt_1","tenant_id":"acme","destination_id":"","matched_destination_ids":["des_1","des_2"],'
    b'"topic":"user.created","eligible_for_retry":true,"time":"2026-01-02T08:34:05.678901234+05:30",'
    b'"metadata":{"source":"a\\u003cb"},"data":{"zebra":1.0,"alpha":1e3,"html":"\\u003cb\\u003e\\u0026"},'
    b'"telemetry":{"TraceID":"4bf92f3577b34da6a3ce929d0e0e4736","SpanID":"00f067aa0ba902b7",'
    b'"ReceivedTime":"2026-01-02T08:34:05.7+05:30"}}'
)
TASK = (
    b'{"event":%s,"destination_id":"des_1","attempt":1,"manual":false,'
    b'"telemetry":{"TraceID":"4bf92f3577b34da6a3ce929d0e0e4736","SpanID":"00f067aa0ba902b7"}}' % EVENT
)
RETRIED_EVENT = (
    b'{"id":"evt_1","tenant_id":"acme","destination_id":"des_1","matched_destination_ids":null,"topic":"",'
    b'"eligible_for_retry":true,"time":"2026-01-02T03:04:05Z","metadata":null,"data":{}}'
)
"""As it is rebuilt from the log for a retry."""
RETRY = b'{"event":%s,"destination_id":"des_1","attempt":3,"manual":false}' % RETRIED_EVENT
ATTEMPT = (
    b'{"id":"atm_1","tenant_id":"acme","event_id":"evt_1","destination_id":"des_1","destination_type":"webhook",'
    b'"attempt_number":1,"manual":false,"status":"failed","time":"2026-01-02T08:34:06.5+05:30","code":"500",'
    b'"response_data":{"body":"\\u003cok\\u003e","status":500}}'
)
DESTINATION = (
    b'{"id":"des_1","tenant_id":"acme","type":"webhook","topics":"*","config":{"url":"https://example.com"},'
    b'"credentials":{"secret":"whsec_1"},"delivery_metadata":{"x-key":"hidden"},'
    b'"created_at":"2026-01-02T08:34:05.678+05:30","updated_at":"2026-01-02T08:34:05.678+05:30","disabled_at":null}'
)
ENTRY = b'{"event":%s,"attempt":%s,"destination":%s}' % (EVENT, ATTEMPT, DESTINATION)

_TEXTS, _TEXT_MAP = "list of texts", "map of texts"
_EVENT_FIELDS: dict[str, Any] = {
    "id": str,
    "tenant_id": str,
    "destination_id": str,
    "matched_destination_ids": _TEXTS,
    "topic": str,
    "eligible_for_retry": bool,
    "time": "time",
    "metadata": _TEXT_MAP,
    "data": dict,
}
_TASK_FIELDS = {"event": _EVENT_FIELDS, "destination_id": str, "attempt": int, "manual": bool}
_ATTEMPT_FIELDS = {
    "id": str,
    "tenant_id": str,
    "event_id": str,
    "destination_id": str,
    "destination_type": str,
    "attempt_number": int,
    "manual": bool,
    "status": str,
    "time": "time",
    "code": str,
    "response_data": "object or null",
}
_DESTINATION_FIELDS = {
    "id": str,
    "tenant_id": str,
    "type": str,
    "topics": _TEXTS,
    "config": _TEXT_MAP,
    "credentials": _TEXT_MAP,
    "created_at": "time",
    "updated_at": "time",
    "disabled_at": "time or null",
}
_MAY_BE_LEFT_OUT = {"filter": dict, "metadata": _TEXT_MAP}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z")


def task_fields(body: bytes) -> dict[str, Any]:
    """Return what the original reads from a delivery task; AssertionError if it would read it in another way."""
    return _checked(json.loads(body), _TASK_FIELDS)


def entry_fields(body: bytes) -> dict[str, Any]:
    """The same for a log entry."""
    entry = json.loads(body)
    wanted: dict[str, Any] = {"event": _EVENT_FIELDS, "attempt": _ATTEMPT_FIELDS}
    if "destination" in entry:
        present = {name: form for name, form in _MAY_BE_LEFT_OUT.items() if name in entry["destination"]}
        wanted["destination"] = _DESTINATION_FIELDS | present
    return _checked(entry, wanted)


def _checked(value: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    assert value.keys() == wanted.keys()
    for name, form in wanted.items():
        assert _has_form(value[name], form), (name, value[name])
    return value


def _has_form(value: Any, form: Any) -> bool:
    if isinstance(form, dict):
        return bool(_checked(value, form))
    if isinstance(form, type):
        return type(value) is form
    match form.removesuffix(" or null"):
        case "time":
            known = isinstance(value, str) and bool(_TIME.fullmatch(value))
        case "list of texts":
            known = isinstance(value, list) and all(isinstance(item, str) for item in value)
        case "map of texts":
            known = isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
        case _:
            known = isinstance(value, dict)
    return known or (value is None and form.endswith("or null"))
