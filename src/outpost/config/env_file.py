"""Reads a `.env` file: KEY=VALUE lines, comments, quotes, `export`, `${VAR}`."""

import io
from collections.abc import Mapping

from dotenv.parser import parse_stream
from dotenv.variables import parse_variables

from outpost.domain.errors import ConfigurationError


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
        known: dict[str, str | None] = {**environ, **values}
        values[binding.key] = "".join(atom.resolve(known) for atom in parse_variables(binding.value))
    return values
