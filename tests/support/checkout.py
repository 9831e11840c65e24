"""The checkout that the tests lie in, read as files."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"


def tracked_files() -> list[Path]:
    """Return every file of the repository that git knows, with a path relative to `ROOT`."""
    # CI may check out as another user than it runs as, which git refuses to look at unless told so.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [Path(name) for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def documents() -> list[Path]:
    """Return what is written for people to read, relative to the checkout."""
    return [path for path in tracked_files() if path.suffix == ".md" and path.parts[0] not in ("src", "tests")]


def source_modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield the dotted name and the syntax tree of every module in src."""
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, ast.parse(path.read_text())


def imported_names(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted name of every module that an import statement of `tree` names, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
