"""A night without Great Expectations, which keeps nothing and takes most of a small night's time.

`python -m tests.faults.plain_night FOLDER AS_OF` runs one that can be killed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from flows.night import Summary, open_night
from flows.progress import Lines, Progress, Silent
from flows.settings import Settings
from flows.story import plainly, tell


def plain_night(
    folder: Path, as_of: str | None = None, progress: Progress | None = None, **more: Any
) -> Summary:
    """A night over the folder's landing, warehouse and published folders; gives its summary."""
    with without_expectations(), open_night(
        settings_of(folder, as_of, **more), progress=progress or Silent()
    ) as night:  # fmt: skip
        return tell(night, plainly)


def settings_of(folder: Path, as_of: str | None = None, **more: Any) -> Settings:
    """The folder's own protocols judge alone, where it has some."""
    own = folder / "protocols"
    if own.is_dir():
        more = {"protocols": (own,), "builtin_protocols": False} | more
    return Settings(
        landing=folder / "landing", warehouse=folder / "warehouse", publish=folder / "published",
        as_of=datetime.fromisoformat(as_of) if as_of else None, **more,
    )  # fmt: skip


@contextmanager
def without_expectations() -> Iterator[None]:
    with patch("flows.load.validate", lambda *_: []):
        yield


if __name__ == "__main__":
    plain_night(Path(sys.argv[1]), sys.argv[2], Lines())
