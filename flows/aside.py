"""Folders that appear whole or not at all: written aside, on the disk, then given their name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

_FLUSHED_AT_ONCE = 16


@contextmanager
def private_files() -> Iterator[None]:
    """What is made here is for its owner alone."""
    previous = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(previous)


def flush(folder: Path) -> None:
    """Everything is on the disk before it is given its name.

    Together, since a disk takes many small files at once almost as fast as one.
    """
    with ThreadPoolExecutor(_FLUSHED_AT_ONCE) as pool:
        for _ in pool.map(sync, [*folder.rglob("*"), folder]):
            pass


def sync(path: Path) -> None:
    """A file, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
