"""Settings of usage data for a vendor, which Outpost does not send."""

from typing import Annotated, ClassVar

from outpost.config.setting import Key, Section


class UsageTelemetrySettings(Section, frozen=True, kw_only=True):
    """Read so that existing configurations load. No usage data is collected or sent."""

    title: ClassVar[str] = "Usage telemetry"

    disabled: Annotated[
        bool,
        Key(
            "DISABLE_TELEMETRY",
            "telemetry.disabled",
            "Same as `disable_telemetry`.",
            shown="telemetry_disabled",
            ignored=True,
        ),
    ] = False
    batch_size: Annotated[int, Key("TELEMETRY_BATCH_SIZE", "telemetry.batch_size", "Batch size.", ignored=True)] = 100
    batch_interval: Annotated[
        int,
        Key("TELEMETRY_BATCH_INTERVAL", "telemetry.batch_interval", "Batch interval.", unit="seconds", ignored=True),
    ] = 5
    hookdeck_source_url: Annotated[
        str,
        Key(
            "TELEMETRY_HOOKDECK_SOURCE_URL",
            "telemetry.hookdeck_source_url",
            "Receiver of usage data.",
            url=True,
            ignored=True,
        ),
    ] = ""
    sentry_dsn: Annotated[
        str,
        Key("TELEMETRY_SENTRY_DSN", "telemetry.sentry_dsn", "Receiver of errors.", secret=True, ignored=True),
    ] = ""
