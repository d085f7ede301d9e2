"""A night's run: its number, its instant, and what became of it (`ops.runs`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from flows import __version__

if TYPE_CHECKING:
    from flows.warehouse import Warehouse

RUN_ID = re.compile(r"(\d{6,})-(\d{8}T\d{6}Z)")
"""A run's number and the instant it began."""


@dataclass(frozen=True)
class Run:
    """One run. `run_id` sorts by `seq`, so that a clock set back never mixes up the order."""

    run_id: str
    seq: int
    as_of: datetime
    started_at: datetime


def start_run(warehouse: Warehouse, as_of: datetime, publish: Path | None = None) -> Run:
    """Number the next run and write it down as started; a run found half-way is marked broken.

    Its number follows the highest in the warehouse and in the folder of published runs, which may
    have outlived a warehouse. It begins after the run before it, whatever the clock says: what has
    no extract time is ordered by when a run first saw it.
    """
    with warehouse.transaction():
        warehouse.db.execute("UPDATE ops.runs SET state = 'interrupted' WHERE state = 'started'")
        row = warehouse.db.execute(
            "SELECT coalesce(max(seq), 0), max(started_at) FROM ops.runs"
        ).fetchone()
        assert row is not None
        known, latest = int(row[0]), row[1]
        published = _highest_published(publish)
        if published > known:
            warehouse.notes.append(
                f"{publish}: holds runs up to number {published} that the database does not know; "
                "it lost them, or they are another warehouse's."
            )
        seq = max(known, published) + 1
        started_at = datetime.now(UTC)
        if latest is not None and latest >= started_at:  # the clock was set back
            started_at = latest.astimezone(UTC) + timedelta(microseconds=1)
        run = Run(f"{seq:06d}-{started_at:%Y%m%dT%H%M%SZ}", seq, as_of, started_at)
        warehouse.db.execute(
            "INSERT INTO ops.runs (run_id, seq, started_at, as_of, state, keel_version) "
            "VALUES (?, ?, ?, ?, 'started', ?)",
            [run.run_id, run.seq, run.started_at, run.as_of, __version__],
        )
    return run


def _highest_published(publish: Path | None) -> int:
    if publish is None or not publish.is_dir():
        return 0
    names = (RUN_ID.fullmatch(path.name) for path in publish.iterdir())
    return max((int(name[1]) for name in names if name), default=0)


def finish_run(warehouse: Warehouse, run: Run, state: str) -> None:
    """Write down how the run ended: `published` or `failed`."""
    with warehouse.transaction():
        warehouse.db.execute(
            "UPDATE ops.runs SET state = ?, finished_at = ? WHERE run_id = ?",
            [state, datetime.now(UTC), run.run_id],
        )


def add_notes(warehouse: Warehouse, run: Run, notes: Iterable[str]) -> None:
    """Write down what a run found besides what it left aside; a note is written once."""
    with warehouse.transaction():
        for note in notes:
            warehouse.db.execute(
                "INSERT INTO ops.notes SELECT $run, $note WHERE NOT EXISTS "
                "(FROM ops.notes WHERE run_id = $run AND note = $note)",
                {"run": run.run_id, "note": note},
            )


def keep_notes(warehouse: Warehouse, run: Run, notes: Iterable[str]) -> None:
    """Write down what a run left aside, once however often its landing is tried."""
    with warehouse.transaction():
        warehouse.db.execute("DELETE FROM ops.notes WHERE run_id = ?", [run.run_id])
        for note in notes:
            warehouse.db.execute("INSERT INTO ops.notes VALUES (?, ?)", [run.run_id, note])
