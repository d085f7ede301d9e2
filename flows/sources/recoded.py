"""Text in a declared encoding, made UTF-8 on its way: nothing is guessed."""

from __future__ import annotations

import codecs
import gzip
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from flows.settings import UTF_8
from flows.sources import Unreadable, csv

_AT_ONCE = 1_000_000
_Bytes = IO[bytes] | gzip.GzipFile


@contextmanager
def in_utf8(path: str, suffix: str, encoding: str, folder: Path | None = None) -> Iterator[str]:
    """The file's text in UTF-8 under a name that DuckDB can read: a copy in `folder` that nobody
    else sees, or the file itself where nothing is to do.

    Raises Unreadable with the line that is not in that encoding.
    """
    if encoding == UTF_8 or suffix not in csv.SUFFIXES:
        yield path
        return
    with tempfile.TemporaryFile(dir=folder) as copy:
        zipped = suffix.endswith(".gz")
        try:
            if zipped:
                with gzip.open(path, "rb") as source, gzip.open(copy, "wb", 1) as target:
                    _recode(source, target, encoding)
            else:
                with Path(path).open("rb") as source:
                    _recode(source, copy, encoding)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise Unreadable("it is not gzipped, damaged, or cut off") from None
        copy.flush()
        yield f"/dev/fd/{copy.fileno()}"


def _recode(source: _Bytes, target: _Bytes, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    while True:
        part = source.read(_AT_ONCE)
        try:
            text = decoder.decode(part, final=not part)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].decode(encoding, "replace").count("\n")
            raise Unreadable(f"line {line} is not {encoding}, as it is declared") from None
        line += text.count("\n")
        target.write(text.encode("utf-8", "replace"))
        if not part:
            return
