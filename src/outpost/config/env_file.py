"""Reads a `.env` file: KEY=VALUE lines, comments, quotes, `export`, `$VAR`, `${VAR}`.

A=x$B  A="x${B}"      the value of B is put in
A='x$B'  A="x\\$B"     a dollar sign
"""

import io
import re
from collections.abc import Mapping

from dotenv.parser import Binding, parse_stream

from outpost.domain.errors import ConfigurationError

# As in the library that the reference reads such files with, a name without braces is in capitals.
_VARIABLE = re.compile(r"\\\$|\$\{(?P<braced>[^}:]*)(?::-(?P<otherwise>[^}]*))?\}|\$(?P<bare>[A-Z0-9_]+)")


def parse_env_file(text: str, *, path: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the values of a `.env` file; `${VAR}` sees the lines above it first, then `environ`.

    Raises:
        ConfigurationError: A line is not KEY=VALUE; its text is not repeated, it may be secret.
    """
    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            raise ConfigurationError(f"{path}, line {binding.original.line}: not a KEY=VALUE line")
        if binding.key is None or binding.value is None:
            continue
        value = binding.value
        values[binding.key] = value if _is_literal(binding) else _expanded(value, {**environ, **values})
    return values


def _is_literal(binding: Binding) -> bool:
    """Say whether the value stands in single quotes."""
    return binding.original.string.partition("=")[2].lstrip().startswith("'")


def _expanded(value: str, known: Mapping[str, str]) -> str:
    def found(match: re.Match[str]) -> str:
        name = match["braced"] or match["bare"]
        return known.get(name, match["otherwise"] or "") if name else match[0].removeprefix("\\")

    return _VARIABLE.sub(found, value)
