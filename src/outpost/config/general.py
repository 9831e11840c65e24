"""Settings of the process as a whole."""

from typing import Annotated, ClassVar, Literal

from outpost.config import checks
from outpost.config.setting import Key, Section

Service = Literal["all", "api", "delivery", "log"]
Profile = Literal["embedded", "distributed", "postgres"]
LogLevel = Literal["trace", "debug", "info", "warn", "error", "dpanic", "panic", "fatal"]
MigrationsGate = Literal["strict", "compatible"]


class GeneralSettings(Section, frozen=True, kw_only=True):
    """What this process is: its role, its stores, its name, its secrets."""

    title: ClassVar[str] = "General"

    service: Annotated[
        Service,
        Key("SERVICE", "service", "Role of this process; `all` is every role in one.", noun="service type"),
    ] = "all"
    profile: Annotated[
        Profile | None,
        Key(
            "PROFILE",
            "profile",
            "Which set of stores runs: `embedded` (one SQLite file), `distributed` (Redis, a broker and Postgres or "
            "ClickHouse) or `postgres`, which this version lacks. Refused when it contradicts what is configured.",
            default_text="`embedded` with `SQLITE_PATH`, `distributed` with any key of Redis, a log store or a broker",
        ),
    ] = None
    deployment_id: Annotated[
        str,
        Key(
            "DEPLOYMENT_ID",
            "deployment_id",
            "Keeps several deployments apart on shared stores: starts every Redis key and ClickHouse table, and is "
            "named in operator events. At most 64 characters of `A-Z a-z 0-9 _ -`.",
            check=checks.deployment_id,
        ),
    ] = ""
    log_level: Annotated[
        LogLevel,
        Key(
            "LOG_LEVEL",
            "log_level",
            "Least important log lines written. `trace` is `debug`; `dpanic`, `panic` and `fatal` are one level.",
            any_case=True,
        ),
    ] = "info"
    aes_encryption_secret: Annotated[
        str,
        Key(
            "AES_ENCRYPTION_SECRET",
            "aes_encryption_secret",
            "Seals the credentials of destinations; any length. Required by `serve`. Losing it loses the credentials.",
            secret=True,
        ),
    ] = ""
    allow_lost_credentials: Annotated[
        bool,
        Key(
            "ALLOW_LOST_CREDENTIALS",
            "allow_lost_credentials",
            "Says that the secret which stored credentials were sealed with is lost for good: destinations whose "
            "credentials do not open fail on record and can be given new ones, instead of waiting for that secret. "
            "Take it away when most have been.",
        ),
    ] = False
    migrations_gate: Annotated[
        MigrationsGate,
        Key(
            "MIGRATIONS_GATE",
            "migrations_gate",
            "`strict`: `serve` refuses to start while a migration is pending. `compatible`: it also starts when every "
            "pending migration may run beside it.",
        ),
    ] = "strict"
    workers: Annotated[
        int,
        Key("WORKERS", "workers", "Processes under one supervisor; more than 1 needs shared stores.", minimum=1),
    ] = 1
    disable_telemetry: Annotated[
        bool,
        Key(
            "DISABLE_TELEMETRY",
            "disable_telemetry",
            "No usage data is sent to anyone, whatever this says.",
            ignored=True,
        ),
    ] = False
