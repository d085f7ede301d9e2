"""A text file, byte by byte, before DuckDB reads it: for what DuckDB passes over without a word.

A line longer than its buffer ends the file for it, it does not look at a gzip's checksum, it takes
a zero byte for a character, and it makes one cell of `"a" "b"`.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from flows.sources import Unreadable

LONGEST_LINE = 1_000_000
"""Bytes: no clinic writes a longer one."""
MOST_BYTES = 50_000_000_000
"""What one file may hold when it is unpacked."""
MOST_TIMES = 200
"""How many times its size a file may unpack to; exports of clinics unpack to 5 to 30 times."""
ANYWAY = 100_000_000
"""Bytes that a file may unpack to however small it is."""
_QUOTE_AGAIN = re.compile(rb'" +"')


@dataclass(frozen=True)
class Examined:
    """A file's first bytes, its header among them, how many delimiters it holds, and whether a
    quote stands after several blanks anywhere."""

    head: bytes
    delimiters: int
    padded_quote: bool


def examine(path: str, *, zipped: bool, delimiter: str) -> Examined:
    """Look at every byte once.

    Raises Unreadable for a zero byte, a line too long, a gzip that is cut off, damaged or unpacks
    to too much, a cell that goes on after its closing quote, and an empty file.
    """
    packed = Path(path).stat().st_size
    head, delimiters, done = b"", 0, 0
    quotes_again, padded_quote, held = False, False, b""
    try:
        with _opened(path, zipped) as file:
            while part := file.read(LONGEST_LINE):
                head = head or part
                _check(part, done, path, zipped)
                done += len(part)
                require_bounded(done, packed)
                bytes_seen = np.frombuffer(part, np.uint8)
                delimiters += int(np.count_nonzero(bytes_seen == ord(delimiter)))
                held += part
                quotes_again = quotes_again or _has_quote_again(held)
                padded_quote = padded_quote or b'  "' in held
                held = held[max(0, len(held.rstrip(b" ")) - 1) :]
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise Unreadable("it is not gzipped, damaged, or cut off") from None
    if not head:
        raise Unreadable("it is empty, not even a header is there")
    if quotes_again:
        _require_cells_to_end(path, zipped, delimiter)
    return Examined(head, delimiters, padded_quote)


def require_bounded(unpacked: int, packed: int) -> None:
    """Raise Unreadable for a file that unpacks to more than an export would."""
    if unpacked > MOST_BYTES:
        raise Unreadable(f"it unpacks to more than {MOST_BYTES:,} bytes; deliver it in parts")
    if unpacked > ANYWAY and unpacked > MOST_TIMES * packed:
        raise Unreadable(
            f"it unpacks to more than {MOST_TIMES} times its size, which no export does"
        )


def _has_quote_again(part: bytes) -> bool:
    return b'" ' in part and _QUOTE_AGAIN.search(part) is not None


def _require_cells_to_end(path: str, zipped: bool, delimiter: str) -> None:
    """Read strictly by Python, which takes its time: a quote, blanks and a quote may well stand in
    a cell."""
    csv.field_size_limit(2 * LONGEST_LINE)
    with _opened(path, zipped) as file, io.TextIOWrapper(file, "latin-1", newline="") as text:
        rows = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=True)
        try:
            deque(rows, maxlen=0)
        except csv.Error:
            raise Unreadable(
                f"line {rows.line_num} has something between a closing quote and the next delimiter"
            ) from None


def _opened(path: str, zipped: bool) -> IO[bytes] | gzip.GzipFile:
    return gzip.open(path, "rb") if zipped else Path(path).open("rb")


def _check(part: bytes, done: int, path: str, zipped: bool) -> None:
    """Any line of twice the length holds a whole part."""
    if b"\0" in part:
        line = _line(path, zipped, done + part.index(b"\0"))
        raise Unreadable(f"line {line} holds zero bytes, so it is no CSV in UTF-8")
    if len(part) == LONGEST_LINE and b"\n" not in part and b"\r" not in part:
        line = _line(path, zipped, done)
        raise Unreadable(f"line {line} is longer than {LONGEST_LINE:,} bytes")


def _line(path: str, zipped: bool, place: int) -> int:
    """The number of the line in which a byte stands."""
    line = 1
    with _opened(path, zipped) as file:
        while place > 0:
            part = file.read(min(place, LONGEST_LINE))
            line += part.count(b"\n")
            place -= len(part)
    return line
