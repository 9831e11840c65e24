"""Values to test with: those of the conformance suites."""

from outpost.conformance.builders import (
    ONE,
    START,
    START_MILLISECOND,
    TENANT,
    TWO,
    a_destination,
    a_record,
    a_tenant,
    an_attempt,
    an_event,
)

__all__ = [
    "ONE",
    "START",
    "START_MILLISECOND",
    "TENANT",
    "TWO",
    "a_destination",
    "a_record",
    "a_tenant",
    "an_attempt",
    "an_event",
]
