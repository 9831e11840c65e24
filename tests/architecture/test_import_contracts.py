"""Who may import whom: the contracts of pyproject.toml, and what they cannot say."""

import subprocess
import sys
from pathlib import Path

from tests.support.checkout import ROOT, imported_names, source_modules


def test_every_import_contract_is_kept() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")

    checked = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_imports_are_absolute() -> None:
    relative = [
        f"{module} imports {name}"
        for module, tree in source_modules()
        for name in imported_names(tree)
        if name.startswith(".")
    ]

    assert relative == []


def test_the_domain_imports_only_the_standard_library_and_msgspec() -> None:
    allowed = {*sys.stdlib_module_names, "msgspec"}

    strangers = [
        f"{module} imports {name}"
        for module, tree in source_modules()
        if module.startswith("outpost.domain")
        for name in imported_names(tree)
        if name.partition(".")[0] not in allowed and not name.startswith("outpost.domain.")
    ]

    assert strangers == []


def test_a_client_imports_nothing_of_outpost_but_itself() -> None:
    """The contracts see modules; this also sees `import outpost`."""
    strangers = [
        f"{module} imports {name}"
        for module, tree in source_modules()
        if module.startswith("outpost.clients.")
        for name in imported_names(tree)
        if name.partition(".")[0] == "outpost" and name.split(".")[:3] != module.split(".")[:3]
    ]

    assert strangers == []
