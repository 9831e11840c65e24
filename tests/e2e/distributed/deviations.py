"""Where an answer about upgraded data may differ from what the original recorded: the rows of docs/compatibility.md."""

from collections.abc import Callable, Mapping

from outpost.codec import cut_to_milliseconds, parse_time
from tests.support.recorded_answers import ABSENT, Difference

_CURSORS = ("pagination.next", "pagination.prev")
_MATCHES = "matched_destination_ids"


def _tenants_are_listed(it: Difference) -> bool:
    return it.read["what"] == "tenants" and (it.recorded, it.ours) == (501, 200)


def _a_tenant_with_a_colon_is_there(it: Difference) -> bool:
    return it.read["tenant"] == "org:42" and it.place == "status" and (it.recorded, it.ours) == (404, 200)


def _an_unknown_destination_is_told_as_json(it: Difference) -> bool:
    return it.recorded == "404 page not found" and it.ours == {"status": 404, "message": "destination not found"}


def _a_type_that_is_not_there_shows_less(it: Difference) -> bool:
    hides = it.ours is ABSENT and ("credentials." in it.place or it.place.endswith("target_url"))
    return it.read["tenant"] == "globex" and (hides or (it.place.endswith("target") and it.ours == ""))


def _an_old_event_knows_whom_it_matched(it: Difference) -> bool:
    listed = it.read["what"] == "events_by_destination" and it.place == "models"
    return (listed or it.place.endswith(_MATCHES)) and it.recorded == [] and bool(it.ours)


def _an_attempt_tells_whom_its_event_matched(it: Difference) -> bool:
    return it.place.endswith(f"event.{_MATCHES}") and it.recorded is ABSENT and bool(it.ours)


def _a_cursor_is_written_anew(it: Difference) -> bool:
    return it.place in _CURSORS and isinstance(it.recorded, str) and isinstance(it.ours, str)


def _an_instant_is_in_utc(it: Difference) -> bool:
    if not it.place.endswith("disabled_at"):
        return False
    return it.ours.endswith("Z") and parse_time(it.ours) == cut_to_milliseconds(parse_time(it.recorded))


DEVIATIONS: Mapping[str, Callable[[Difference], bool]] = {
    "`GET /tenants`": _tenants_are_listed,
    "Tenants with `:` in their id, destinations missing from the summary": _a_tenant_with_a_colon_is_there,
    "Unknown destination or destination type": _an_unknown_destination_is_told_as_json,
    "Destinations of other types than `webhook`": _a_type_that_is_not_there_shows_less,
    "Postgres 7": _an_old_event_knows_whom_it_matched,
    "`attempt.event.matched_destination_ids`": _an_attempt_tells_whom_its_event_matched,
    "Paging": _a_cursor_is_written_anew,
    "Times in answers": _an_instant_is_in_utc,
}
"""By the subject of their row."""


def deviation(difference: Difference) -> str | None:
    """Return the one that explains a difference."""
    return next((subject for subject, explains in DEVIATIONS.items() if explains(difference)), None)
