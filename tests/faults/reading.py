"""What a CSV file holds, read by Keel and, from its bytes alone, by Python's own reader."""

from __future__ import annotations

import csv
import io
from functools import cache
from pathlib import Path

import duckdb

from flows.sources import Unreadable, formats, opened, suffix_of
from flows.sources.recoded import in_utf8

Rows = list[tuple[str | None, ...]]


@cache
def _db() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def read(path: Path, encoding: str = "utf-8") -> Rows | None:
    """The rows as a night would keep them; None where it would refuse the file."""
    suffix = suffix_of(path.name)
    assert suffix is not None
    db = _db()
    with opened(path) as handle:
        try:
            with in_utf8(handle, suffix, encoding, path.parent) as readable:
                text = formats()[suffix].text_select(db, readable, suffix)
                db.execute(f"CREATE OR REPLACE TABLE kept AS {text.sql}")
                text.check("kept")
                return db.execute("FROM kept").fetchall()
        except (Unreadable, duckdb.InvalidInputException, duckdb.ConversionException):
            return None


def expected(content: bytes, encoding: str = "utf-8") -> Rows | None:
    """RFC 4180 read strictly, but for blanks between a quote and a comma, which count for nothing;
    None where there is no one way to read it. A blank line is no row, but where there is one column
    it is a row of an empty cell."""
    try:
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
        header, *rows = csv.reader(io.StringIO(_without_blanks(text), newline=""), strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError):
        return None
    rows = [row or [""] for row in rows] if len(header) == 1 else [row for row in rows if row]
    if "\0" in text or any(len(row) != len(header) for row in rows):
        return None
    return [tuple(cell or None for cell in row) for row in rows]


def _without_blanks(text: str) -> str:
    """Without the blanks around quoted cells."""
    kept: list[str] = []
    state, blanks = "start", 0
    for sign in text:
        if state == "start" and sign == '"' and blanks > 1:
            raise ValueError("is the quote one, or text?")
        if sign == " " and state in ("start", "after"):
            blanks += 1
            continue
        if state == "start" and sign != '"':
            kept.append(" " * blanks)
        elif state == "after" and sign == '"' and blanks == 0:
            state = "quoted"
            kept.append(sign)
            continue
        elif state == "after" and sign not in ",\r\n":
            kept.append(" " * blanks)  # no cell goes on after them
        blanks = 0
        if state == "quoted":
            state = "after" if sign == '"' else "quoted"
        elif sign in ",\r\n":
            state = "start"
        elif state == "start":
            state = "quoted" if sign == '"' else "plain"
        kept.append(sign)
    return "".join(kept) + (" " * blanks if state == "start" else "")
