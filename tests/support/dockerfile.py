"""The Dockerfile, read as its stages and their instructions."""

import re
import shlex
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from tests.support.checkout import ROOT


@dataclass(frozen=True)
class Copy:
    """One COPY: sources as they are written, `stage` empty where they are of the checkout."""

    sources: tuple[str, ...]
    target: str
    stage: str = ""


@dataclass
class Stage:
    """What stands between one FROM and the next; of an instruction that may stand once, the last one counts."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def values(self, instruction: str) -> list[str]:
        return [text for name, text in self.instructions if name == instruction]

    def value(self, instruction: str) -> str:
        return self.values(instruction)[-1]

    @property
    def environment(self) -> dict[str, str]:
        return dict(word.split("=", 1) for text in self.values("ENV") for word in shlex.split(text))

    @property
    def labels(self) -> dict[str, str]:
        return dict(word.split("=", 1) for text in self.values("LABEL") for word in shlex.split(text))

    @property
    def copies(self) -> list[Copy]:
        return [_copy(text) for text in self.values("COPY")]


def stages(path: Path = ROOT / "Dockerfile") -> list[Stage]:
    """Return the stages in their order; the last one becomes the image."""
    found: list[Stage] = []
    lines = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        name, _, text = line.strip().partition(" ")
        if name == "FROM":
            base, _, alias = text.partition(" AS ")
            found.append(Stage(name=alias, base=base))
        elif name and found:
            found[-1].instructions.append((name, text.strip()))
    return found


def is_sent_to_the_builder(path: str) -> bool:
    """Say whether `.dockerignore` lets a path of the checkout through; of the lines that fit, the last one decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!").removeprefix("**/")
            parents = [str(parent) for parent in [Path(path), *Path(path).parents]]
            names = [Path(path).name] if "**/" in line else parents
            if any(fnmatch(name, pattern) for name in names):
                sent = line.startswith("!")
    return sent


def _copy(text: str) -> Copy:
    words = shlex.split(text)
    stage = next((word.removeprefix("--from=") for word in words if word.startswith("--from=")), "")
    *sources, target = [word for word in words if not word.startswith("--")]
    return Copy(tuple(sources), target, stage)
