"""What was answered about the data of real installations, and how ours differs from it.

Two files lie beside a snapshot: `answers` is what the release itself answered, `answers-after-original` what the
original's v1.2 answered after its own migrations. A read has `what` was asked, `path`, `status`, `body` and, where they
apply, `tenant`, `destination` and `event`. With `ids_only`, the rows of a list are their ids.
"""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from outpost.codec import parse_time
from tests.support.http import Answer
from tests.support.redis_store import SNAPSHOTS

Read = Mapping[str, Any]

ABSENT = object()


@dataclass(frozen=True)
class Difference:
    """One place in which two answers differ.

    Attributes:
        place: Such as `models[].time`; empty for the body as a whole, `status` for its code.
    """

    read: Read
    place: str
    recorded: Any
    ours: Any


def reads_of(release: str, name: str) -> Sequence[Read]:
    path = SNAPSHOTS / release / f"{name}.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))["reads"]


def single_reads(reads: Sequence[Read]) -> Iterator[Read]:
    """Yield a read of its own for every event and every attempt in the lists."""
    options = {"events": "", "attempts": "&include[]=event.data&include[]=response_data"}
    for read in reads:
        if read["what"] in options:
            what = read["what"].removesuffix("s")
            for row in read["body"]["models"]:
                path = (
                    f"/api/v1/{what}s/{quoted(row['id'])}?tenant_id={quoted(row['tenant_id'])}{options[read['what']]}"
                )
                yield {"what": what, "tenant": row["tenant_id"], "path": path, "status": 200, "body": row}


def quoted(name: str) -> str:
    return quote(name, safe="")


def differences(read: Read, answer: Answer) -> Iterator[Difference]:
    if answer.status != read["status"]:
        yield Difference(read, "status", read["status"], answer.status)
        return
    ours = answer.json()
    if read.get("ids_only") and answer.status == 200:
        ours |= {"models": [row["id"] for row in ours["models"]]}
    yield from _walk(read, "", in_force(read["body"]), ours)


def in_force(recorded: Any) -> Any:
    """Return an answer as it would be now: an earlier secret is shown only while it is valid."""
    if isinstance(recorded, list):
        return [in_force(each) for each in recorded]
    if not isinstance(recorded, dict):
        return recorded
    until = recorded.get("previous_secret_invalid_at")
    gone = ("previous_secret", "previous_secret_invalid_at") if until and parse_time(until) < datetime.now(UTC) else ()
    return {name: in_force(value) for name, value in recorded.items() if name not in gone}


def _walk(read: Read, place: str, recorded: Any, ours: Any) -> Iterator[Difference]:
    if isinstance(recorded, dict) and isinstance(ours, dict):
        for name in recorded.keys() | ours.keys():
            within = f"{place}.{name}" if place else name
            yield from _walk(read, within, recorded.get(name, ABSENT), ours.get(name, ABSENT))
    elif isinstance(recorded, list) and isinstance(ours, list) and len(recorded) == len(ours):
        for one, other in zip(recorded, ours, strict=True):
            yield from _walk(read, f"{place}[]", one, other)
    elif recorded != ours:
        yield Difference(read, place, recorded, ours)
