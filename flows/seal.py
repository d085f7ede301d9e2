"""A raw file carries the SHA-256 of its own bytes in what it tells of itself, so that damage to any
byte shows, even where every page can still be read.

The text that it tells, in the Parquet footer, begins with the 64 digits; for their own sum they
count as zeros.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

_NOT_YET = "0" * 64
_FOOTER_END = 8  # four bytes of the footer's length, then the magic PAR1
_AT_ONCE = 1 << 20


def to_be_sealed(text: str) -> str:
    """What a file must tell before it can be sealed; `text` is a JSON object."""
    return _NOT_YET + text


def is_sealed(text: str) -> bool:
    """Whether a file that tells this carries a seal: those of an earlier Keel carry none."""
    return not text.startswith("{")


def unsealed(text: str) -> str:
    """The JSON that a file tells, sealed or not."""
    return text[len(_NOT_YET) :] if is_sealed(text) else text


def put(path: Path, text: str) -> None:
    """Put a file's SHA-256 in its place, where it tells `to_be_sealed(text)`."""
    with path.open("r+b") as file:
        place = _place(file, to_be_sealed(text))
        digest = _digest(file, place)
        file.seek(place)
        file.write(digest.encode())


def holds(path: Path, text: str) -> bool | None:
    """Whether the bytes of a file that tells `text` are those that were sealed; None when it
    carries no seal."""
    if not is_sealed(text):
        return None
    with path.open("rb") as file:
        try:
            place = _place(file, text)
        except ValueError:
            return False
        return _digest(file, place) == text[: len(_NOT_YET)]


def _place(file: BinaryIO, text: str) -> int:
    """Where the text begins in the footer, after every statistic of the rows."""
    end = file.seek(-_FOOTER_END, 2)
    start = max(0, end - int.from_bytes(file.read(4), "little"))
    file.seek(start)
    return start + file.read().rindex(text.encode())


def _digest(file: BinaryIO, place: int) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while place > file.tell():
        digest.update(file.read(min(_AT_ONCE, place - file.tell())))
    digest.update(_NOT_YET.encode())
    file.seek(place + len(_NOT_YET))
    while part := file.read(_AT_ONCE):
        digest.update(part)
    return digest.hexdigest()
