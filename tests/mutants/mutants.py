"""Mutants of the engine: plausible mistakes, one a change of a source snippet, by rule kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from checks.strict_yaml import parse

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Mutant:
    """A snippet of a file that is replaced, and what that breaks."""

    kind: str
    breaks: str
    file: str
    find: str
    replace: str

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.breaks}"

    def source(self) -> str:
        return (ROOT / self.file).read_text()

    def mutated(self) -> str:
        return self.source().replace(self.find, self.replace)


def mutants() -> list[Mutant]:
    """All of them, one file a kind: `breaks`, `file`, `find` (occurs once there), `replace`."""
    return [
        Mutant(path.stem, **held)
        for path in sorted(HERE.glob("*.yaml"))
        for held in parse(path.read_text()).data["mutants"]
    ]
