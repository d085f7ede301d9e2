"""CSV for people who open it in a spreadsheet: no cell of text is taken for a formula there."""

from __future__ import annotations

import csv
import os
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
    """Write rows of cells, each made inert, as UTF-8; the file is readable by its owner alone."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        os.fchmod(file.fileno(), 0o600)
        writer = csv.writer(file)  # ends lines with CR LF: else a lone CR in a cell is not quoted
        writer.writerow([inert(name) for name in header])
        writer.writerows([inert(cell) for cell in row] for row in rows)
