"""The repository speaks of itself alone: it names no machine and no package registry."""

import re

import pytest

from tests.support.checkout import ROOT, tracked_files

# Put together here, so that this file does not name them either.
_REGISTRY_HOSTS = (
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("yarnpkg", "com"),
    ("crates", "io"),
    ("golang", "org"),
)
_REGISTRY = re.compile("|".join(re.escape(".".join(parts)) for parts in _REGISTRY_HOSTS))
_MACHINE_PATH = re.compile(r"(?<![\w.$}-])/(?:root|work|home/\w+|tmp/\w+|Users/\w+)/")
_REGISTRY_OPTION = re.compile(r"^\s*(?:-i|--index-url|--extra-index-url|-f|--find-links)\b", re.MULTILINE)


def _texts() -> dict[str, str]:
    return {str(path): (ROOT / path).read_bytes().decode("utf-8", "replace") for path in tracked_files()}


@pytest.mark.parametrize("pattern", [_REGISTRY, _MACHINE_PATH], ids=["registry host", "path of a machine"])
def test_no_file_names_a(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path}:{text[: match.start()].count(chr(10)) + 1}: {match.group()}"
        for path, text in _texts().items()
        for match in pattern.finditer(text)
    ]

    assert found == []


def test_pins_record_no_registry_address() -> None:
    pins = {path: text for path, text in _texts().items() if re.search(r"(constraints|environments/.*)\.txt$", path)}

    assert pins
    assert [path for path, text in pins.items() if _REGISTRY_OPTION.search(text) or "://" in text] == []


def test_pins_are_exact() -> None:
    loose = [
        f"{path}: {line}"
        for path, text in _texts().items()
        if re.search(r"(constraints|environments/.*)\.txt$", path)
        for line in text.splitlines()
        if not re.match(r"[a-z0-9-]+(\[[a-z,]+\])?==[\w.]+( ; .+)?$", line)
    ]

    assert loose == []
