"""Settings of webhook destinations."""

from typing import Annotated, ClassVar, Literal

from outpost.config.setting import Key, Section

WebhookMode = Literal["default", "standard"]
SignatureEncoding = Literal["hex", "base64"]
SignatureAlgorithm = Literal["hmac-sha256", "hmac-sha1"]


class WebhookSettings(Section, frozen=True, kw_only=True):
    """Headers and signatures of webhooks.

    The four `..._header_name` fields are None when unset; empty or blank means that the header is not sent.
    """

    title: ClassVar[str] = "Webhooks"

    mode: Annotated[
        WebhookMode,
        Key(
            "DESTINATIONS_WEBHOOK_MODE",
            "destinations.webhook.mode",
            "`standard` follows Standard Webhooks; then of the following only the proxy, the header prefix and the "
            "response limit count.",
            otherwise="default",
        ),
    ] = "default"
    proxy_url: Annotated[
        str,
        Key(
            "DESTINATIONS_WEBHOOK_PROXY_URL",
            "destinations.webhook.proxy_url",
            "Proxy for all webhooks, `http://user:password@host:port`. It looks up their names, so keeping them away "
            "from internal ones is its part; its own address needs no EGRESS_ALLOW.",
            secret=True,
            url=True,
        ),
    ] = ""
    header_prefix: Annotated[
        str,
        Key(
            "DESTINATIONS_WEBHOOK_HEADER_PREFIX",
            "destinations.webhook.header_prefix",
            "Start of Outpost's header names. Blanks only: no prefix.",
            default_text="`x-outpost-`; in mode `standard` `webhook-`",
        ),
    ] = ""
    event_id_header_name: Annotated[
        str | None,
        Key(
            "DESTINATIONS_WEBHOOK_EVENT_ID_HEADER_NAME",
            "destinations.webhook.event_id_header_name",
            "Header with the id of the event.",
            keeps_empty=True,
            empty_means="header not sent",
            default_text="`<prefix>event-id`",
            shown="destinations_webhook_event_id_header",
        ),
    ] = None
    signature_header_name: Annotated[
        str | None,
        Key(
            "DESTINATIONS_WEBHOOK_SIGNATURE_HEADER_NAME",
            "destinations.webhook.signature_header_name",
            "Header with the signature.",
            keeps_empty=True,
            empty_means="header not sent",
            default_text="`<prefix>signature`",
            shown="destinations_webhook_signature_header",
        ),
    ] = None
    timestamp_header_name: Annotated[
        str | None,
        Key(
            "DESTINATIONS_WEBHOOK_TIMESTAMP_HEADER_NAME",
            "destinations.webhook.timestamp_header_name",
            "Header with the time.",
            keeps_empty=True,
            empty_means="header not sent",
            default_text="`<prefix>timestamp`",
            shown="destinations_webhook_timestamp_header",
        ),
    ] = None
    topic_header_name: Annotated[
        str | None,
        Key(
            "DESTINATIONS_WEBHOOK_TOPIC_HEADER_NAME",
            "destinations.webhook.topic_header_name",
            "Header with the topic.",
            keeps_empty=True,
            empty_means="header not sent",
            default_text="`<prefix>topic`",
            shown="destinations_webhook_topic_header",
        ),
    ] = None
    disable_default_event_id_header: Annotated[
        bool,
        Key(
            "DESTINATIONS_WEBHOOK_DISABLE_DEFAULT_EVENT_ID_HEADER",
            "destinations.webhook.disable_default_event_id_header",
            "Do not send the header, unless it has a name of its own.",
            deprecated="set DESTINATIONS_WEBHOOK_EVENT_ID_HEADER_NAME to an empty value instead",
        ),
    ] = False
    disable_default_signature_header: Annotated[
        bool,
        Key(
            "DESTINATIONS_WEBHOOK_DISABLE_DEFAULT_SIGNATURE_HEADER",
            "destinations.webhook.disable_default_signature_header",
            "Do not send the header, unless it has a name of its own.",
            deprecated="set DESTINATIONS_WEBHOOK_SIGNATURE_HEADER_NAME to an empty value instead",
        ),
    ] = False
    disable_default_timestamp_header: Annotated[
        bool,
        Key(
            "DESTINATIONS_WEBHOOK_DISABLE_DEFAULT_TIMESTAMP_HEADER",
            "destinations.webhook.disable_default_timestamp_header",
            "Do not send the header, unless it has a name of its own.",
            deprecated="set DESTINATIONS_WEBHOOK_TIMESTAMP_HEADER_NAME to an empty value instead",
        ),
    ] = False
    disable_default_topic_header: Annotated[
        bool,
        Key(
            "DESTINATIONS_WEBHOOK_DISABLE_DEFAULT_TOPIC_HEADER",
            "destinations.webhook.disable_default_topic_header",
            "Do not send the header, unless it has a name of its own.",
            deprecated="set DESTINATIONS_WEBHOOK_TOPIC_HEADER_NAME to an empty value instead",
        ),
    ] = False
    signature_content_template: Annotated[
        str,
        Key(
            "DESTINATIONS_WEBHOOK_SIGNATURE_CONTENT_TEMPLATE",
            "destinations.webhook.signature_content_template",
            "What is signed; fields `EventID`, `Topic`, `Timestamp`, `Body`.",
        ),
    ] = "{{.Body}}"
    signature_header_template: Annotated[
        str,
        Key(
            "DESTINATIONS_WEBHOOK_SIGNATURE_HEADER_TEMPLATE",
            "destinations.webhook.signature_header_template",
            "Value of the signature header; fields `EventID`, `Topic`, `Timestamp`, `Signatures`.",
        ),
    ] = 'v0={{.Signatures | join ","}}'
    signature_encoding: Annotated[
        SignatureEncoding,
        Key(
            "DESTINATIONS_WEBHOOK_SIGNATURE_ENCODING",
            "destinations.webhook.signature_encoding",
            "How a signature is written.",
            otherwise="hex",
        ),
    ] = "hex"
    signature_algorithm: Annotated[
        SignatureAlgorithm,
        Key(
            "DESTINATIONS_WEBHOOK_SIGNATURE_ALGORITHM",
            "destinations.webhook.signature_algorithm",
            "How a signature is computed.",
            otherwise="hmac-sha256",
        ),
    ] = "hmac-sha256"
    signing_secret_template: Annotated[
        str,
        Key(
            "DESTINATIONS_WEBHOOK_SIGNING_SECRET_TEMPLATE",
            "destinations.webhook.signing_secret_template",
            "Form of new signing secrets; fields `RandomHex` (64 digits), `RandomBase64`, `RandomAlphanumeric` (32).",
        ),
    ] = "whsec_{{.RandomHex}}"
    max_response_body_bytes: Annotated[
        int,
        Key(
            "DESTINATIONS_WEBHOOK_MAX_RESPONSE_BODY_BYTES",
            "destinations.webhook.max_response_body_bytes",
            "How much of an answer is kept: a longer one is replaced by a note. 0 or less keeps all.",
            unit="bytes",
            minimum=-(2**31),
            non_positive=0,
        ),
    ] = 128 * 1024
