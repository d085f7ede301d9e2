"""CSV for people who open it in a spreadsheet: no cell of text is taken for a formula there."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

# What Excel, LibreOffice and Google Sheets begin a formula with, the full-width forms too.
_BEGINS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_BREAKS = ("\t", "\r", "\n")


def inert(cell: object) -> object:
    """A cell that a spreadsheet shows as it is: text that could begin a formula gets an apostrophe
    before it; numbers, dates and null stay themselves."""
    if isinstance(cell, str) and (cell.startswith(_BREAKS) or cell.lstrip().startswith(_BEGINS)):
        return f"'{cell}"
    return cell


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows of cells, each made inert, as UTF-8."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([inert(name) for name in header])
        writer.writerows([inert(cell) for cell in row] for row in rows)
