"""Settings of retries."""

from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec

from outpost.config.setting import Key, Section
from outpost.domain.retry_policy import RetryPolicy

_LONGEST_POLL_MS = 30_000


class RetrySettings(Section, frozen=True, kw_only=True):
    """When a failed delivery is tried again."""

    title: ClassVar[str] = "Retries"

    schedule_seconds: Annotated[
        tuple[int, ...],
        Key(
            "RETRY_SCHEDULE",
            "retry_schedule",
            "Delay before each retry, in order. Replaces the next two.",
            unit="seconds",
            minimum=1,
        ),
    ] = ()
    interval_seconds: Annotated[
        int,
        Key(
            "RETRY_INTERVAL_SECONDS",
            "retry_interval_seconds",
            "Delay before the first retry; each later one is twice as long.",
            unit="seconds",
        ),
    ] = 30
    max_limit: Annotated[
        int,
        Key(
            "MAX_RETRY_LIMIT",
            "retry_max_limit",
            "Retries after the first attempt; 0 is none. With a schedule, its length.",
            shown="retry_max_limit",
        ),
    ] = 10
    jitter_percent: Annotated[
        int,
        Key(
            "RETRY_JITTER_PERCENT",
            "retry_jitter_percent",
            "Each delay is made longer by a random part of itself, this much at most, so that what failed in one "
            "outage does not come back all at once.",
            unit="percent",
            maximum=100,
        ),
    ] = 0
    poll_backoff_ms: Annotated[
        int,
        Key(
            "RETRY_POLL_BACKOFF_MS",
            "retry_poll_backoff_ms",
            "Longest sleep of the retry scheduler while nothing is due; 0 is the shortest delay, at most 30 seconds.",
            unit="milliseconds",
        ),
    ] = 0
    visibility_timeout_seconds: Annotated[
        int,
        Key(
            "RETRY_VISIBILITY_TIMEOUT_SECONDS",
            "retry_visibility_timeout_seconds",
            "A due retry that was taken and not settled within this time is taken again; 0 or less is 30.",
            unit="seconds",
            minimum=-(2**31),
            non_positive=30,
        ),
    ] = 30

    def __post_init__(self) -> None:
        if self.schedule_seconds:
            msgspec.structs.force_setattr(self, "max_limit", len(self.schedule_seconds))

    def policy(self) -> RetryPolicy:
        return RetryPolicy(
            schedule=tuple(timedelta(seconds=seconds) for seconds in self.schedule_seconds),
            interval=timedelta(seconds=self.interval_seconds),
            max_retries=self.max_limit,
            jitter=self.jitter_percent / 100,
        )

    @property
    def effective_poll_backoff_ms(self) -> int:
        shortest = min(self.schedule_seconds, default=self.interval_seconds)
        return self.poll_backoff_ms or min(_LONGEST_POLL_MS, shortest * 1000)
