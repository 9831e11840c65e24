"""Where the code for a destination type is found."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from outpost.ports.provider import Provider


class Providers(Protocol):
    """All destination types of this process."""

    def provider(self, type_: str, /) -> Provider:
        """Return the code for one type.

        Raises:
            UnknownDestinationType: There is none.
        """
        ...

    def schemas(self) -> Sequence[Mapping[str, Any]]:
        """Return the schema of each type, in the order in which they are offered."""
        ...
