"""Finding a protocol by what a person types: an id, id@version, or a file."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from protocols.errors import ProtocolError
from protocols.load import SUFFIXES, load_protocol, load_protocols
from protocols.model import Protocol


@dataclass(frozen=True)
class Catalogue:
    """The built-in library (unless switched off) and the network's own folders."""

    folders: tuple[Path, ...]
    builtin: bool
    today: date

    def all(self) -> tuple[Protocol, ...]:
        """Every version of every protocol, by id and date.

        Raises ProtocolError for a file that is wrong.
        """
        return load_protocols(self.folders, self.builtin)

    def named(self, text: str) -> tuple[Protocol, ...]:
        """The file's protocol, the version of that name, or all versions of an id.

        Raises ProtocolError when there is none, with the nearest name.
        """
        path = Path(text)
        if path.suffix.lower() in SUFFIXES or path.is_file():
            if not path.is_file():
                raise ProtocolError(f"{text}: there is no such protocol file; check the name.")
            return (load_protocol(path, self.folders, self.builtin),)
        held = self.all()
        found = tuple(p for p in held if text in (p.protocol, p.key))
        if not found:
            raise ProtocolError(f"{text}: there is no such protocol{_near(text, held)}")
        return found

    def one(self, text: str) -> Protocol:
        """The same; of an id, the version in force today, else the newest."""
        versions = self.named(text)
        in_force = [p for p in versions if is_in_force(p, self.today)]
        return (in_force or list(versions))[-1]


def is_in_force(protocol: Protocol, day: date) -> bool:
    """Whether a version governs that day."""
    effective = protocol.effective
    return effective.from_ <= day and (effective.to is None or day <= effective.to)


def _near(text: str, held: Sequence[Protocol]) -> str:
    names = [p.key for p in held] if "@" in text else list(dict.fromkeys(p.protocol for p in held))
    near = difflib.get_close_matches(text, names, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return "; `keel protocol list` shows those there are, a file ends in .yaml."
