"""Reads a YAML file into the texts of its leaves.

Scalars stay the text that was written (`0123` stays `0123`, `on` stays `on`); what they mean is decided by the type of
the setting they belong to.
"""

from collections.abc import Collection, Iterator

import yaml

from outpost.config import legacy
from outpost.config.parse import Given
from outpost.domain.errors import ConfigurationError

_NULLS = {"", "~", "null", "Null", "NULL"}


class YamlFile:
    """The leaves of one file by dotted path, and a warning for each key that is not known."""

    def __init__(self, text: str, *, path: str, known: Collection[str]) -> None:
        """Read `text`.

        Raises:
            ConfigurationError: It is not YAML, or a key holds a section where a value belongs, or the reverse.
        """
        self.leaves: dict[str, Given] = {}
        self.warnings: list[str] = []
        self._path = path
        self._known = known
        self._sections = {prefix for key in known for prefix in _prefixes(key)}
        root = self._compose(text)
        if root is not None and not _is_null(root):
            self._read_section(root, "")

    def _compose(self, text: str) -> yaml.Node | None:
        try:
            return yaml.SafeLoader(text).get_single_node()
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark else ""
            # The parser's own message may quote the line, and the line may hold a secret.
            raise ConfigurationError(f"{self._path}{line}: not valid YAML") from None

    def _read_section(self, node: yaml.Node, section: str) -> None:
        if not isinstance(node, yaml.MappingNode):
            name = section or "the file"
            raise ConfigurationError(f"{self._where(node)}: {name} must be a section of `key: value` lines")
        yaml.constructor.SafeConstructor().flatten_mapping(node)  # resolves `<<: *anchor`
        for key_node, value_node in node.value:
            key = f"{section}.{key_node.value}" if section else str(key_node.value)
            self._read_key(key, key_node, value_node)

    def _read_key(self, key: str, key_node: yaml.Node, node: yaml.Node) -> None:
        if key in self._known:
            if key in self.leaves:
                raise ConfigurationError(f"{self._where(key_node)}: {key} is written twice")
            if not _is_null(node):
                self.leaves[key] = Given(self._value(key, node), self._where(key_node), yaml=True)
        elif key in self._sections:
            if not _is_null(node):
                self._read_section(node, key)
        elif isinstance(node, yaml.MappingNode) and any(old.startswith(f"{key}.") for old in legacy.YAML):
            self._read_section(node, key)
        else:
            self.warnings.append(f"{self._where(key_node)}: {key} {self._hint(key)}")

    def _value(self, key: str, node: yaml.Node) -> str | tuple[str, ...]:
        if isinstance(node, yaml.ScalarNode):
            return node.value
        if isinstance(node, yaml.SequenceNode) and all(isinstance(item, yaml.ScalarNode) for item in node.value):
            return tuple("" if _is_null(item) else item.value for item in node.value)
        raise ConfigurationError(f"{self._where(node)}: {key} must be a value, not a section")

    def _hint(self, key: str) -> str:
        if key in legacy.YAML:
            return legacy.YAML[key]
        from difflib import get_close_matches  # only a misspelt key needs it

        close = get_close_matches(key, self._known, n=1, cutoff=0.8)
        return f"is not a setting; did you mean {close[0]}?" if close else "is not a setting and has no effect"

    def _where(self, node: yaml.Node) -> str:
        mark = node.start_mark
        return f"{self._path}, line {mark.line + 1}" if mark else self._path


def _is_null(node: yaml.Node) -> bool:
    """Say whether a node is YAML's null: nothing written, or an unquoted `null`."""
    return isinstance(node, yaml.ScalarNode) and not node.style and node.value in _NULLS


def _prefixes(key: str) -> Iterator[str]:
    parts = key.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts)))
