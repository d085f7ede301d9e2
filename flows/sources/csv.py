"""CSV, gzipped CSV and TSV (RFC 4180, UTF-8): every field as text, no guessing."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from flows.sources import TextSelect, Unreadable, checked_header, identifier, quoted

if TYPE_CHECKING:
    import duckdb

SUFFIXES = (".csv", ".csv.gz", ".tsv")
LONGEST_HEADER = 1_000_000


def text_select(db: duckdb.DuckDBPyConnection, path: str, suffix: str) -> TextSelect:
    """A file's header, checked here, and a SELECT that binds its columns by position.

    Raises Unreadable for what is no UTF-8 text with a header of names.
    """
    zipped, delimiter = suffix.endswith(".gz"), "\t" if suffix == ".tsv" else ","
    header = checked_header(_header(path, zipped, delimiter))
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in header)
    compression = "gzip" if zipped else "none"
    return TextSelect(
        header,
        f"SELECT {', '.join(identifier(name) for name in header)} FROM read_csv({quoted(path)}, "
        f"auto_detect = false, header = true, delim = {quoted(delimiter)}, quote = '\"', "
        f"escape = '\"', columns = {{{columns}}}, compression = '{compression}', "
        "strict_mode = true, null_padding = false, nullstr = '', max_line_size = 2000000)",
    )


def _header(path: str, zipped: bool, delimiter: str) -> list[str]:
    try:
        with gzip.open(path, "rb") if zipped else Path(path).open("rb") as file:
            head = file.read(LONGEST_HEADER)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise Unreadable("it is not gzipped, or cut off") from None
    if not head:
        raise Unreadable("it is empty, not even a header is there")
    first = head.splitlines()[0]
    if b"\0" in head:
        raise Unreadable("it holds zero bytes, so it is no CSV in UTF-8")
    try:
        text = first.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("its header is not UTF-8") from None
    try:
        return next(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration):
        raise Unreadable("its first line is no header") from None
