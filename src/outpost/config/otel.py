"""Settings of OpenTelemetry."""

from typing import Annotated, ClassVar

from outpost.config.setting import Key, Section

EXPORTERS = ("otlp", "console", "stdout", "none")
PROTOCOLS = ("grpc", "http", "http/protobuf")
_EXPORTER_TEXT = "`otlp`, `console`, `stdout` or `none`."
_PROTOCOL_TEXT = "`grpc`, `http` or `http/protobuf`."


class OtelSettings(Section, frozen=True, kw_only=True):
    """Traces, metrics and logs for a collector; off without a service name."""

    title: ClassVar[str] = "OpenTelemetry"

    service_name: Annotated[
        str, Key("OTEL_SERVICE_NAME", "otel.service_name", "Name of the service; switches on.", ignored=True)
    ] = ""
    traces_exporter: Annotated[
        str,
        Key(
            "OTEL_EXPORTER",
            "otel.traces.exporter",
            _EXPORTER_TEXT,
            process_env=("OTEL_TRACES_EXPORTER",),
            shown="otel_traces_exporter",
            ignored=True,
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
            ignored=True,
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
            ignored=True,
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
            ignored=True,
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
            ignored=True,
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
            ignored=True,
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
            ignored=True,
        ),
    ] = ""
    traces_endpoint: Annotated[
        str,
        Key(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", "Collector of traces.", url=True, process_only=True, ignored=True
        ),
    ] = ""
    metrics_endpoint: Annotated[
        str,
        Key(
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            "",
            "Collector of metrics.",
            url=True,
            process_only=True,
            ignored=True,
        ),
    ] = ""
    logs_endpoint: Annotated[
        str,
        Key("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "", "Collector of logs.", url=True, process_only=True, ignored=True),
    ] = ""
