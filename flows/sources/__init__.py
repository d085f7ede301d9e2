"""File formats: one module each, found by its `SUFFIXES`; each gives all-text rows to DuckDB.

A module has `SUFFIXES`, the endings of file names it reads, and
`text_select(db, path, suffix) -> (header, SELECT)`, whose columns are text and whose rows come
in the file's order. It raises Unreadable with one sentence that quotes no cell.
"""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import duckdb


class Unreadable(Exception):
    """A file that is not what its name says: one sentence about it, without its content."""


class CannotOpen(OSError):
    """A file that is no plain one, vanished, or cannot be read."""


class Format(Protocol):
    """What a format's module offers."""

    SUFFIXES: tuple[str, ...]

    def text_select(self, db: duckdb.DuckDBPyConnection, path: str, suffix: str) -> TextSelect: ...


@dataclass(frozen=True)
class TextSelect:
    """A file's column names and a SELECT of its rows as text, in the file's order.

    `check` is given the relation that the rows were kept in, and raises Unreadable when they are
    not all that the file holds.
    """

    header: tuple[str, ...]
    sql: str
    check: Callable[[str], None] = lambda _: None


@cache
def formats() -> dict[str, Format]:
    """Suffix to module, longest suffix first."""
    found: dict[str, Format] = {}
    for module in pkgutil.iter_modules(__path__):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        for suffix in getattr(loaded, "SUFFIXES", ()):
            found[suffix] = loaded
    return dict(sorted(found.items(), key=lambda item: (-len(item[0]), item[0])))


def suffix_of(name: str) -> str | None:
    """The format's suffix that a file's name ends with."""
    return next((suffix for suffix in formats() if name.lower().endswith(suffix)), None)


@contextmanager
def opened(path: Path) -> Iterator[str]:
    """A name under which DuckDB reads exactly this file: no link is followed, no glob expanded, no
    pipe waited for. Raises CannotOpen.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise CannotOpen(error.errno, error.strerror, str(path)) from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise CannotOpen(errno.EINVAL, "Not a plain file", str(path))
        yield f"/dev/fd/{handle}"
    finally:
        os.close(handle)


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def shown_name(header: tuple[str, ...], name: str) -> str:
    """A column by its name if it looks like one, else by its position."""
    return name if re.fullmatch(r"[a-z][a-z0-9_]*", name) else f"number {header.index(name) + 1}"


def checked_header(header: list[str]) -> tuple[str, ...]:
    """A header without doubles or empty names; a complaint gives positions, since a file without
    a header has a patient's values in its first line."""
    names = [name.strip() for name in header]
    if len(names) == 1 and ";" in names[0]:
        raise Unreadable("its fields are separated by semicolons; use commas, or .tsv with tabs")
    folded = [name.lower() for name in names]
    for at, name in enumerate(names):
        if not re.fullmatch(r"\w[\w .-]*", name):
            raise Unreadable(f"column {at + 1} of its header has no usable name")
        if folded.index(folded[at]) != at:
            first = folded.index(folded[at])
            raise Unreadable(
                f"columns {first + 1} and {at + 1} of its header have the same name; does the file "
                "start with a line of column names, each standing there not twice?"
            )
    return tuple(names)
