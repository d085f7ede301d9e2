"""CSV, gzipped CSV and TSV (RFC 4180, UTF-8): every field as text, no guessing."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from flows.sources import TextSelect, Unreadable, checked_header, identifier, quoted
from flows.sources.examined import LONGEST_LINE, examine

if TYPE_CHECKING:
    import duckdb

SUFFIXES = (".csv", ".csv.gz", ".tsv")


def text_select(db: duckdb.DuckDBPyConnection, path: str, suffix: str) -> TextSelect:
    """A file's header, checked here, and a SELECT that binds its columns by position.

    Raises Unreadable for what is no UTF-8 text with a header of names.
    """
    zipped, delimiter = suffix.endswith(".gz"), "\t" if suffix == ".tsv" else ","
    examined = examine(path, zipped=zipped, delimiter=delimiter)
    header = checked_header(_header(examined.head, delimiter))
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in header)
    compression = "gzip" if zipped else "none"

    def check(kept: str) -> None:
        _require_every_field(db, kept, header, delimiter, examined.delimiters)
        if examined.padded_quote:
            _require_no_padded_quote(db, kept, header)

    return TextSelect(
        header,
        f"SELECT {', '.join(identifier(name) for name in header)} FROM read_csv({quoted(path)}, "
        f"auto_detect = false, header = true, delim = {quoted(delimiter)}, quote = '\"', "
        f"escape = '\"', columns = {{{columns}}}, compression = '{compression}', "
        f"strict_mode = true, null_padding = false, nullstr = '', "
        f"max_line_size = {2 * LONGEST_LINE})",
        check,
    )


def _header(head: bytes, delimiter: str) -> list[str]:
    try:
        text = head.splitlines()[0].decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("line 1, its header, is not UTF-8") from None
    try:
        return next(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration):
        raise Unreadable("its first line is no header") from None


def _require_every_field(
    db: duckdb.DuckDBPyConnection,
    kept: str,
    header: tuple[str, ...],
    delimiter: str,
    delimiters: int,
) -> None:
    """Each delimiter of the file parts two fields of a row that was read, or stands in one.

    DuckDB drops an empty field too many at a row's end, in which the fields may be shifted.
    """
    row = db.execute(f"SELECT count(*) FROM {kept}").fetchone()
    between = (row[0] + 1) * (len(header) - 1) if row else 0
    if delimiters == between:
        return
    cells = " + ".join(
        f"coalesce(sum(length({name}) - length(replace({name}, {quoted(delimiter)}, ''))), 0)"
        for name in map(identifier, header)
    )
    row = db.execute(f"SELECT {cells} FROM {kept}").fetchone()
    if row is None or delimiters - row[0] != between:
        raise Unreadable("a row has an empty field too many at its end, where the header has none")


def _require_no_padded_quote(
    db: duckdb.DuckDBPyConnection, kept: str, header: tuple[str, ...]
) -> None:
    """DuckDB passes over one blank before a cell's quote; after more, the quote is text to it."""
    padded = " OR ".join(f"regexp_matches({identifier(name)}, '^  +\"')" for name in header)
    if db.execute(f"SELECT 1 FROM {kept} WHERE {padded} LIMIT 1").fetchone():
        raise Unreadable(
            "a cell begins with blanks and a quote, so that nobody knows where it ends"
        )
