"""Forty people who do not exist, and a search for any trace of them, in any encoding and format."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import sqlite3
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import duckdb
import pyarrow.parquet as pq

PEOPLE = 40
# What values of a kind begin with, in no other word of any report, table or log. The year of birth
# alone would be: a group of a UUID may end in 1931, and a dash follows it.
STEMS = {
    "given_name": ("Vexwyñ",), "family_name": ("O'Quøllby",), "phone": ("555-0177",),
    "birth_date": tuple(f"1931-{month:02}-" for month in range(1, 13)),
    "postal_code": ("90Q7KX",), "person_id": ("pers~kee",), "patient_id": ("pat~kee",),
}  # fmt: skip


def person(number: int) -> dict[str, str]:
    """One of them, as a row of `patients`."""
    return {
        "patient_id": f"pat~kee{number:02}", "person_id": f"pers~kee{number:02}",
        "given_name": f"Vexwyñ{number:02}", "family_name": f"O'Quøllby{number:02}",
        "phone": f"+1 555-0177-{number:02}", "postal_code": f"90Q7KX{number:02}",
        "birth_date": f"1931-{1 + number % 12:02}-{1 + number % 28:02}",
    }  # fmt: skip


def encodings(text: str) -> dict[str, bytes]:
    """A text in each way in which it might be written down."""
    raw = text.encode()
    found = {
        "utf-8": raw, "utf-16le": text.encode("utf-16-le"), "utf-16be": text.encode("utf-16-be"),
        "cp1252": text.encode("cp1252"), "upper": text.upper().encode(),
        "lower": text.lower().encode(), "url": quote(text).encode(),
        "json": json.dumps(text)[1:-1].encode(), "html": html.escape(text).encode(),
        "python": ascii(text)[1:-1].encode(), "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(), "reversed": text[::-1].encode(),
        "sql": text.replace("'", "''").encode(),
    }  # fmt: skip
    for shift in range(3):  # base64 of a text in which it begins anywhere: what it alone decides
        coded = base64.b64encode(b"\0" * shift + raw)
        found[f"base64+{shift}"] = coded[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
    return found


NEEDLES = {
    (kind, name, coded)
    for kind, stems in STEMS.items()
    for stem in stems
    for name, coded in encodings(stem).items()
}


def traces(content: bytes) -> set[tuple[str, str]]:
    """(kind, encoding) of everything that shows in some bytes."""
    return {(kind, name) for kind, name, needle in NEEDLES if needle in content}


def traces_in(folder: Path) -> set[tuple[str, str, str]]:
    """(file, kind, encoding) of everything below a folder: in names, bytes, and what is packed."""
    found = set()
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        parts = [name.encode("utf-8", "surrogateescape")]
        if path.is_file() and not path.is_symlink():
            parts += contents(path)
        for part in parts:
            found |= {(name, *trace) for trace in traces(part)}
    return found


def contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what they hold when they are read as what they are."""
    raw = path.read_bytes()
    yield raw
    if raw.startswith(b"PAR1"):
        file = pq.ParquetFile(path)
        yield repr(file.metadata.metadata).encode() + repr(file.schema).encode()
        yield _text(row.values() for row in file.read().to_pylist())
    elif raw[8:12] == b"DUCK":
        yield from _tables(path)
    elif raw.startswith(b"SQLite format 3"):
        yield from _sqlite(path)
    else:
        yield from _unpacked(raw)


def _text(rows: Iterable[Iterable[object]]) -> bytes:
    """Cells as text, what was stored as bytes as it is."""
    return b"\n".join(
        cell if isinstance(cell, bytes) else str(cell).encode() for row in rows for cell in row
    )


def _unpacked(raw: bytes) -> Iterator[bytes]:
    if raw.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(raw)) as file:
            for name in file.namelist():
                yield name.encode()
                inside = file.read(name)
                yield inside
                yield from _unpacked(inside)
    elif raw.startswith(b"\x1f\x8b"):
        yield gzip.decompress(raw)
    elif raw.startswith(b"%PDF"):
        yield from _pdf(raw)


def _pdf(raw: bytes) -> Iterator[bytes]:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(raw))
    yield repr(reader.metadata).encode()
    for page in reader.pages:
        yield page.extract_text().encode()
    for stream in raw.split(b"stream\n")[1:]:
        try:
            yield zlib.decompressobj().decompress(stream)
        except zlib.error:
            continue


def _tables(path: Path) -> Iterator[bytes]:
    with duckdb.connect(str(path), read_only=True) as db:
        names = db.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
        ).fetchall()
        for schema, table in names:
            yield _text(db.execute(f'FROM "{schema}"."{table}"').fetchall())


def _sqlite(path: Path) -> Iterator[bytes]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in names:
            yield _text(db.execute(f'SELECT * FROM "{table}"').fetchall())
