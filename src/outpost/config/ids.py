"""Settings of newly minted ids."""

from typing import Annotated, ClassVar

from outpost.config.setting import Key, Section
from outpost.domain.identifiers import IdStyle


class IdSettings(Section, frozen=True, kw_only=True):
    """How the ids look that Outpost mints."""

    title: ClassVar[str] = "Ids"

    style: Annotated[
        IdStyle | None,
        Key(
            "IDGEN_TYPE",
            "idgen.type",
            "Form of new ids; `nanoid` is 26 characters of `0-9A-Za-z`.",
            noun="id type",
            default_text="`uuidv4`; on the embedded profile `uuidv7`, which keeps new rows together in its indexes",
        ),
    ] = None
    event_prefix: Annotated[str, Key("IDGEN_EVENT_PREFIX", "idgen.event_prefix", "Start of event ids.")] = ""
    destination_prefix: Annotated[
        str, Key("IDGEN_DESTINATION_PREFIX", "idgen.destination_prefix", "Start of destination ids.")
    ] = ""
    attempt_prefix: Annotated[str, Key("IDGEN_ATTEMPT_PREFIX", "idgen.attempt_prefix", "Start of attempt ids.")] = ""
