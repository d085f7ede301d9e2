"""A workbook of tables: headings that stay, filters, and a number format for each kind of column.

No cell is ever a formula or a link: what was delivered is data, whatever it begins with. Rows go to
the disk as they come, so that memory does not grow with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from flows.reports.sheets import Columns, Kind

_WIDTHS: dict[Kind, float] = {
    "text": 17, "long": 46, "count": 12, "number": 12, "share": 11, "usd": 14, "date": 12,
    "time": 17, "yes": 9,
}  # fmt: skip
_NUMBERS: dict[Kind, str] = {
    "count": "#,##0", "number": "#,##0.0#", "share": "0.0%", "usd": "$#,##0.00;-$#,##0.00",
    "date": "yyyy-mm-dd", "time": "yyyy-mm-dd hh:mm",
}  # fmt: skip
_HEADING = {
    "bold": True, "bg_color": "#1d4e6f", "font_color": "#ffffff", "text_wrap": True,
    "valign": "top", "border": 1, "border_color": "#1d4e6f",
}  # fmt: skip
_HEADINGS_ROW = 2


@dataclass(frozen=True)
class Shown:
    """A value whose kind is not that of its column."""

    value: object
    kind: Kind


@contextmanager
def workbook(path: Path, title: str, made: datetime) -> Iterator[Book]:
    """A book to write sheets into; the same sheets give the same bytes.

    What is being written lies in the file's own folder, never in one that others can read.
    """
    book = xlsxwriter.Workbook(
        str(path),
        {
            "constant_memory": True, "tmpdir": str(path.parent), "strings_to_formulas": False,
            "strings_to_urls": False, "strings_to_numbers": False,
        },
    )  # fmt: skip
    book.set_properties({"title": title, "created": made.replace(tzinfo=None)})
    yield Book(book, title)
    book.close()


class Book:
    """Sheets of one workbook. Each has what a row is in its first line, headings in its third."""

    def __init__(self, book: xlsxwriter.Workbook, title: str) -> None:
        self._book = book
        self._title = title
        self._heading = book.add_format(_HEADING)
        self._says = book.add_format({"italic": True, "font_color": "#5b6875"})
        self._formats = {kind: self._format(kind) for kind in _WIDTHS}

    def _format(self, kind: Kind) -> Format:
        look: dict[str, object] = {"valign": "top", "text_wrap": kind == "long"}
        if kind in _NUMBERS:
            look["num_format"] = _NUMBERS[kind]
        return self._book.add_format(look)

    def sheet(self, name: str, says: str, columns: Columns, rows: Iterable[Sequence[Any]]) -> None:
        """Add a table: `says` is what a row is, `rows` have a value for each column."""
        sheet = self._book.add_worksheet(name)
        for at, (_, kind) in enumerate(columns):
            sheet.set_column(at, at, _WIDTHS[kind])
        self._set_up_print(sheet)
        sheet.write_string(0, 0, says, self._says)
        for at, (heading, _) in enumerate(columns):
            sheet.write_string(_HEADINGS_ROW, at, heading, self._heading)
        sheet.freeze_panes(_HEADINGS_ROW + 1, 1)
        write, kinds = _writers(sheet), [kind for _, kind in columns]
        last = _HEADINGS_ROW
        for last, row in enumerate(rows, start=_HEADINGS_ROW + 1):
            for at, (kind, value) in enumerate(zip(kinds, row, strict=True)):
                if isinstance(value, Shown):
                    kind, value = value.kind, value.value
                if value is not None:
                    write[kind](last, at, value, self._formats[kind])
        sheet.autofilter(_HEADINGS_ROW, 0, max(last, _HEADINGS_ROW + 1), len(columns) - 1)

    def _set_up_print(self, sheet: Worksheet) -> None:
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(_HEADINGS_ROW)
        # An ampersand begins a code in a header; the title is ours and has none.
        sheet.set_header(f"&L{self._title}&R&A")
        sheet.set_footer("&RPage &P of &N")


def _writers(sheet: Worksheet) -> Mapping[Kind, Callable[[int, int, Any, Format], object]]:
    """How a value of each kind is written; a text that is longer than Excel takes is cut."""

    def write_yes(row: int, at: int, value: bool, look: Format) -> None:
        sheet.write_string(row, at, "yes" if value else "no", look)

    text, number, moment = sheet.write_string, sheet.write_number, sheet.write_datetime
    return {
        "text": text, "long": text, "count": number, "number": number, "share": number,
        "usd": number, "date": moment, "time": moment, "yes": write_yes,
    }  # fmt: skip
