"""Writes the reference pages of the settings from their table.

python -m outpost.config.document yaml > src/outpost/config/defaults.yaml
python -m outpost.config.document page > docs/configuration.md
"""

import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import msgspec

from outpost.config import legacy
from outpost.config.load import SEARCHED
from outpost.config.parse import allowed
from outpost.config.setting import Setting
from outpost.config.settings import SECTIONS, SETTINGS

_WIDTH = 110
_PAGE_WIDTH = 120
_NO_EFFECT = "Accepted, without effect."

_YAML_HEAD = """\
Every setting of Outpost with its default. Write only the keys you change: a key that is written counts as set, and
one below redis, postgres, clickhouse or mqs chooses the distributed profile. A key without a value is unset.
This file is made from the table of settings; it is not read when Outpost starts.
"""

_PAGE_HEAD = """\
# Configuration

This page is made from the table of settings (`python -m outpost.config.document page`).
`outpost config list` shows what is in force, without secrets.

## Where settings come from

Highest first:

1. a flag: the environment name in kebab case, `REDIS_HOST` is `--redis-host`. Every command takes them;
   `outpost serve --help-settings` lists them;
2. the environment of the process;
3. one file;
4. the default.

The file is the one named by `--config FILE` or `CONFIG` (naming two different ones is an error, and so is one that
cannot be read). Otherwise it is the first of these that exists and is not empty:

{searched}

Files are never merged: a `.env` in the working directory hides every YAML file. A path that ends in `.env` holds
`KEY=VALUE` lines with environment names; comments, quotes, `export`, `$VAR` and `${{VAR}}` are understood, and in
single quotes or after a backslash `$` is only a dollar sign. Its values are not passed on to the environment, so what
is read from the process environment only (marked below) cannot stand there. Any other file is YAML. A YAML key that is
not known is reported as a warning by every command.

## How values are written

| type | in the environment, a flag or `.env` | in YAML |
|---|---|---|
| text | as it is | a scalar |
| whole number | decimal digits | a number |
| true or false | `1 t T TRUE true True`, `0 f F FALSE false False` | also `yes`, `no`, `on`, `off` |
| list | separated by commas; blanks around elements do not count | a list, or a text with commas |

A variable that is present but empty counts as not set. Settings that say what *empty* means are the exception: empty in
the environment, in a flag or as `key: ""` in YAML has that meaning; `key:` without a value is unset.

A wrong value ends the start with exit code 64 and one line: the key, where it was written, what is allowed.

## Which stores run

| configured | profile |
|---|---|
| `SQLITE_PATH`, or `outpost dev` | **embedded**: one process, one SQLite file |
| any key of Redis, Postgres, ClickHouse or a broker | **distributed**: Redis, a broker, and Postgres or ClickHouse |
| nothing | none; `outpost serve` says how to start |
| both | none; `outpost serve` names the keys that contradict each other |

`PROFILE` says it outright and must agree with the rest. `serve` also needs `AES_ENCRYPTION_SECRET`, and where it
answers the API `API_KEY` and `API_JWT_SECRET`.
"""


def defaults_yaml() -> str:
    """Return the text of `defaults.yaml`."""
    tree: dict[str, Any] = {}
    for row in SETTINGS:
        *sections, leaf = row.key.yaml.split(".")
        branch = tree
        for name in sections:
            branch = branch.setdefault(name, {})
        if leaf:
            branch[leaf] = row
    return "\n".join([*_comment(_YAML_HEAD, ""), *_yaml_lines(tree)]) + "\n"


def page() -> str:
    """Return the text of `docs/configuration.md`."""
    searched = "\n".join(f"{number}. `{name}`" for number, name in enumerate(SEARCHED, start=1))
    parts = [_PAGE_HEAD.format(searched=searched)]
    parts += ["\n".join(_section_lines(name)) + "\n" for name in SECTIONS]
    return "\n".join([*parts, "\n".join(_older_names()) + "\n"])


class _Banner:
    """Remembers which section was announced last."""

    def __init__(self) -> None:
        self._last = ""

    def lines(self, section: str, indent: str) -> Iterator[str]:
        if section == self._last:
            return
        self._last = section
        title = SECTIONS[section].title
        yield ""
        yield f"{indent}# {f' {title} ':-^{_WIDTH - len(indent) - 10}}"
        yield from _comment(_intro(section), indent)


def _yaml_lines(tree: dict[str, Any], indent: str = "", banner: _Banner | None = None) -> Iterator[str]:
    banner = banner or _Banner()
    for name, node in tree.items():
        yield from banner.lines(_first_leaf(node).section, indent)
        yield ""
        if isinstance(node, Setting):
            purpose = f"{node.key.text} {_NO_EFFECT}" if node.key.ignored else node.key.text
            yield from _comment(_plain(purpose), indent)
            yield from _comment(_plain(_facts(node)), indent)
            yield f"{indent}{name}: {_yaml_value(node)}".rstrip()
        else:
            yield f"{indent}{name}:"
            yield from _yaml_lines(node, indent + "  ", banner)


def _first_leaf(node: Any) -> Setting:
    while not isinstance(node, Setting):
        node = next(iter(node.values()))
    return node


def _facts(row: Setting) -> str:
    names = ", ".join((row.key.env, *row.key.process_env))
    unit = f", in {row.key.unit}" if row.key.unit else ""
    derived = f". Unset: {row.key.default_text}" if row.key.default_text else ""
    return f"{names}: {allowed(row)}{unit}{derived}"


def _yaml_value(row: Setting) -> str:
    if row.default is None or row.key.default_text:
        return ""
    return msgspec.json.encode(row.default).decode()


def _comment(text: str, indent: str) -> list[str]:
    return [f"{indent}# {line}" for line in textwrap.wrap(text, _WIDTH - len(indent))]


def _plain(text: str) -> str:
    return text.replace("`", "")


def _intro(section: str) -> str:
    return " ".join((SECTIONS[section].__doc__ or "").split("\n\n")[0].split())


def _section_lines(section: str) -> Iterator[str]:
    yield f"## {SECTIONS[section].title}"
    yield ""
    yield textwrap.fill(_intro(section), _PAGE_WIDTH, break_on_hyphens=False)
    yield ""
    yield "| YAML | environment | default | meaning |"
    yield "|---|---|---|---|"
    for row in SETTINGS:
        if row.section == section:
            key = row.key
            yaml = f"`{key.yaml}`" if key.yaml else "-"
            cells = (yaml, _page_names(row), _page_default(row), _page_meaning(row))
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _page_names(row: Setting) -> str:
    key = row.key
    only = " (process environment only)" if key.process_only else ""
    before = "".join(f"<br>`{name}` (process environment only, wins)" for name in key.process_env)
    return f"`{key.env}`{only}{before}"


def _page_default(row: Setting) -> str:
    if row.key.default_text:
        return row.key.default_text
    if row.default in ("", ()):
        return "empty"
    return f"`{row.default if isinstance(row.default, str) else msgspec.json.encode(row.default).decode()}`"


def _page_meaning(row: Setting) -> str:
    key, kind = row.key, row.kind
    parts = [key.text]
    if kind.choices:
        parts.append(f"One of {', '.join(f'`{choice}`' for choice in kind.choices)}.")
    elif kind.element == "number":
        parts.append(f"{allowed(row)[0].upper()}{allowed(row)[1:]}{f', in {key.unit}' if key.unit else ''}.")
    elif key.empty_means:
        parts.append(f"Empty: {key.empty_means}.")
    if key.otherwise:
        parts.append(f"Anything else counts as `{key.otherwise}`.")
    if key.secret:
        parts.append("Secret.")
    if key.ignored:
        parts.append(_NO_EFFECT)
    if key.deprecated:
        parts.append(f"Deprecated: {key.deprecated}.")
    older = (*key.aliases, *key.yaml_aliases)
    if older:
        parts.append(f"Older name: {', '.join(f'`{name}`' for name in older)}.")
    return " ".join(parts)


def _older_names() -> Iterator[str]:
    yield "## Names that are not read"
    yield ""
    yield "Found in older documents and examples. Outpost warns about them when it starts."
    yield ""
    yield "| name | |"
    yield "|---|---|"
    for name, hint in {**legacy.ENVIRONMENT, **legacy.YAML}.items():
        yield f"| `{name}` | {hint} |"


if __name__ == "__main__":
    sys.stdout.write({"yaml": defaults_yaml, "page": page}[sys.argv[1]]())
