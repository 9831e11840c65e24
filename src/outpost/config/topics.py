"""Settings of the topic catalogue."""

from typing import Annotated, ClassVar

from outpost.config.setting import Key, Section


class TopicSettings(Section, frozen=True, kw_only=True):
    """Which topics exist."""

    title: ClassVar[str] = "Topics"

    names: Annotated[
        tuple[str, ...],
        Key("TOPICS", "topics", "Topics that may be published and subscribed to; empty allows any."),
    ] = ()
    allow_wildcards: Annotated[
        bool,
        Key(
            "TOPICS_ALLOW_WILDCARDS",
            "topics_allow_wildcards",
            "Allow `*` inside the topics of a destination, as in `user.*`.",
        ),
    ] = False
