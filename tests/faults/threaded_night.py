"""`python -m tests.faults.threaded_night FOLDER AS_OF THREADS`: a night on so many threads.

Polars takes its number of threads when it is imported, so that it must stand in the environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

from flows import warehouse
from tests.faults.plain_night import plain_night
from tests.publish.nights import plain_nights


def run(folder: Path, as_of: str, threads: int) -> None:
    """In a process of its own."""
    subprocess.run(
        [sys.executable, "-m", "tests.faults.threaded_night", folder, as_of, str(threads)],
        env=os.environ | {"POLARS_MAX_THREADS": str(threads)}, check=True,
    )  # fmt: skip


if __name__ == "__main__":
    plain = warehouse._config

    def on_threads(path: Path) -> dict[str, str | bool | int | float | list[str]]:
        return plain(path) | {"threads": int(sys.argv[3])}

    with patch("flows.warehouse._config", on_threads), plain_nights():
        plain_night(Path(sys.argv[1]), sys.argv[2])
