"""Settings of OpenTelemetry."""

from typing import Annotated, ClassVar, Literal

from outpost.config.setting import Key, Section

Signal = Literal["traces", "metrics", "logs"]
EXPORTERS = ("otlp", "console", "stdout", "none")
PROTOCOLS = ("grpc", "http", "http/protobuf")
_EXPORTER_TEXT = "`otlp`, `console`, `stdout` or `none`."
_PROTOCOL_TEXT = "`grpc`, `http` or `http/protobuf`."


class OtelSettings(Section, frozen=True, kw_only=True):
    """Traces, metrics and logs for a collector; off without a service name. The other standard `OTEL_*` variables are
    read from the process environment by the OpenTelemetry library itself."""

    title: ClassVar[str] = "OpenTelemetry"

    service_name: Annotated[str, Key("OTEL_SERVICE_NAME", "otel.service_name", "Name of the service; switches on.")] = (
        ""
    )
    traces_exporter: Annotated[
        str,
        Key(
            "OTEL_EXPORTER",
            "otel.traces.exporter",
            _EXPORTER_TEXT,
            process_env=("OTEL_TRACES_EXPORTER",),
            shown="otel_traces_exporter",
        ),
    ] = "otlp"
    metrics_exporter: Annotated[
        str,
        Key(
            "OTEL_EXPORTER",
            "otel.metrics.exporter",
            _EXPORTER_TEXT,
            process_env=("OTEL_METRICS_EXPORTER",),
            shown="otel_metrics_exporter",
        ),
    ] = "otlp"
    logs_exporter: Annotated[
        str,
        Key(
            "OTEL_EXPORTER",
            "otel.logs.exporter",
            _EXPORTER_TEXT,
            process_env=("OTEL_LOGS_EXPORTER",),
            shown="otel_logs_exporter",
        ),
    ] = "otlp"
    traces_protocol: Annotated[
        str,
        Key(
            "OTEL_PROTOCOL",
            "otel.traces.protocol",
            _PROTOCOL_TEXT,
            process_env=("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
            shown="otel_traces_protocol",
        ),
    ] = "grpc"
    metrics_protocol: Annotated[
        str,
        Key(
            "OTEL_PROTOCOL",
            "otel.metrics.protocol",
            _PROTOCOL_TEXT,
            process_env=("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
            shown="otel_metrics_protocol",
        ),
    ] = "grpc"
    logs_protocol: Annotated[
        str,
        Key(
            "OTEL_PROTOCOL",
            "otel.logs.protocol",
            _PROTOCOL_TEXT,
            process_env=("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
            shown="otel_logs_protocol",
        ),
    ] = "grpc"
    endpoint: Annotated[
        str,
        Key(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "",
            "Collector of every signal.",
            url=True,
            process_only=True,
        ),
    ] = ""
    traces_endpoint: Annotated[
        str,
        Key("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", "Collector of traces.", url=True, process_only=True),
    ] = ""
    metrics_endpoint: Annotated[
        str,
        Key("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "", "Collector of metrics.", url=True, process_only=True),
    ] = ""
    logs_endpoint: Annotated[
        str,
        Key("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "", "Collector of logs.", url=True, process_only=True),
    ] = ""

    def is_on(self, signal: Signal) -> bool:
        """Say whether a signal is exported.

        Naming collectors for some signals only switches the others off; an exporter of `none` switches its own off.
        """
        if not self.service_name or getattr(self, f"{signal}_exporter") == "none":
            return False
        own = {"traces": self.traces_endpoint, "metrics": self.metrics_endpoint, "logs": self.logs_endpoint}
        return bool(self.endpoint or own[signal]) or not any(own.values())
