"""A chart of the report: its picture, what it shows in words, and its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Chart:
    """A picture, what it shows in words, and its numbers: `lines` under `heads`, texts as shown.
    Without anything to draw there is no `svg`, and `says` tells why."""

    title: str
    caption: str
    says: str
    heads: tuple[str, ...] = ()
    lines: Sequence[tuple[str, ...]] = ()
    svg: Markup | None = None


def nothing(title: str, says: str) -> Chart:
    """A chart that there is too little for."""
    return Chart(title, "", says)
