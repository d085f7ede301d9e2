"""What a check gives, and what it is given to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from flows.settings import Settings, load_settings
from protocols.load import load_protocols
from protocols.model import Protocol

Level = Literal["ok", "warning", "broken", "wrong"]
"""`broken`: the installation or its files; `wrong`: settings, a contract or a protocol."""


@dataclass(frozen=True)
class Finding:
    """What a check found, and how to mend it."""

    level: Level
    says: str
    mend: str = ""


@dataclass(frozen=True)
class Installation:
    """What is looked at. Folders and protocols are read when a check first asks for them."""

    config: Path | None
    overrides: dict[str, Any]
    now: datetime

    @cached_property
    def settings(self) -> Settings:
        """The settings. Raises UsageError when they are wrong."""
        return load_settings(self.config, self.overrides)

    @cached_property
    def protocols(self) -> tuple[Protocol, ...]:
        """The library and the network's own. Raises ProtocolError when a file is wrong."""
        return load_protocols(self.settings.protocols, self.settings.builtin_protocols)


Check = Callable[[Installation], Iterator[Finding]]
"""The name of its function is the name of the check."""
