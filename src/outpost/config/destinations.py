"""Settings of destinations of every type."""

from typing import Annotated, ClassVar

from outpost.config.setting import Key, Section


class DestinationSettings(Section, frozen=True, kw_only=True):
    """What holds for all destinations, and for the smaller types."""

    title: ClassVar[str] = "Destinations"

    max_per_tenant: Annotated[
        int,
        Key(
            "MAX_DESTINATIONS_PER_TENANT",
            "max_destinations_per_tenant",
            "Destinations a tenant may have, disabled ones included; looked at when one is created.",
        ),
    ] = 20
    http_user_agent: Annotated[
        str,
        Key(
            "HTTP_USER_AGENT",
            "http_user_agent",
            "`User-Agent` of requests to destinations.",
            default_text="`Outpost/<version>`",
        ),
    ] = ""
    metadata_path: Annotated[
        str,
        Key(
            "DESTINATIONS_METADATA_PATH",
            "destinations.metadata_path",
            "Folder whose `<type>/metadata.json` and `<type>/instructions.md` replace the texts shown for a type.",
        ),
    ] = "config/outpost/destinations"
    include_millisecond_timestamp: Annotated[
        bool,
        Key(
            "DESTINATIONS_INCLUDE_MILLISECOND_TIMESTAMP",
            "destinations.include_millisecond_timestamp",
            "Send the time of the event in milliseconds too, as `timestamp-ms`.",
        ),
    ] = False
    kinesis_metadata_in_payload: Annotated[
        bool,
        Key(
            "DESTINATIONS_AWS_KINESIS_METADATA_IN_PAYLOAD",
            "destinations.aws_kinesis.metadata_in_payload",
            "Put the metadata of the event beside its data in a Kinesis record.",
            ignored=True,
        ),
    ] = True
