"""How much memory the database may take: bounded, and more for a larger one."""

from __future__ import annotations

from pathlib import Path

from flows.errors import KeelError

LEAST_MB, MOST_MB = 1_500, 4_000


def allowance_mb(database: Path) -> int:
    """A third of the database's file, since what one transaction changes must fit; 1.5 to 4 GB."""
    try:
        third = database.stat().st_size // 3_000_000
    except FileNotFoundError:
        third = 0
    return min(MOST_MB, max(LEAST_MB, third))


def out_of_memory(folder: Path, allowed_mb: int) -> KeelError:
    """What a step needs does not fit."""
    return KeelError(
        f"{folder}: a step needs more memory than the {allowed_mb:,} MB that the database may "
        f"take, and nothing of that step was kept; set `memory_mb = {2 * allowed_mb}` in "
        "keel.toml, run again."
    )
