"""Settings of alerts about failing destinations."""

from typing import Annotated, ClassVar

from outpost.config.setting import Key, Section


class AlertSettings(Section, frozen=True, kw_only=True):
    """When the operator is told that a destination fails, and when it is disabled.

    `consecutive_failure_count` and `exhausted_retries_window_seconds` are None when their alert is switched off.
    """

    title: ClassVar[str] = "Alerts"

    consecutive_failure_count: Annotated[
        int | None,
        Key(
            "ALERT_CONSECUTIVE_FAILURE_COUNT",
            "alert.consecutive_failure_count",
            "Failed attempts in a row at which a destination counts as failing; alerts begin on the way there.",
            minimum=1,
            keeps_empty=True,
            empty_means="no alert",
            ignored=True,
        ),
    ] = 100
    auto_disable_destination: Annotated[
        bool,
        Key(
            "ALERT_AUTO_DISABLE_DESTINATION",
            "alert.auto_disable_destination",
            "Disable a destination that reaches the number of failures.",
            ignored=True,
        ),
    ] = False
    exhausted_retries_window_seconds: Annotated[
        int | None,
        Key(
            "ALERT_EXHAUSTED_RETRIES_WINDOW_SECONDS",
            "alert.exhausted_retries_window_seconds",
            "After an alert that retries were used up, further ones for the destination are held back for this time; "
            "0 holds back none.",
            unit="seconds",
            keeps_empty=True,
            empty_means="no alert",
            ignored=True,
        ),
    ] = 3600
