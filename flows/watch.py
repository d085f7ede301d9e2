"""What somebody should hear of after a night: blocked files, silent feeds, new critical breaches.

Clinics, feeds and counts only; never a value of a patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl

from flows.faults import counted
from flows.frames import cutoffs
from flows.runs import Run
from flows.settings import Settings
from flows.warehouse import Warehouse


@dataclass(frozen=True)
class BlockedFile:
    """A delivery of which nothing was loaded this night, and why."""

    clinic_id: str
    feed: str
    path: str
    reason: str


@dataclass(frozen=True)
class SilentFeed:
    """A clinic's feed of which nothing came for whole `days`."""

    clinic_id: str
    feed: str
    days: int

    def sentence(self) -> str:
        """For a person."""
        return f"{self.clinic_id}: no {self.feed} for {counted(self.days, 'day')}"


@dataclass(frozen=True)
class Watched:
    """What a night gave reason to tell; `critical` counts critical breaches (not_met, not waived)
    that no run found before, `changes` verdicts that differ from those before, by cause."""

    blocked: tuple[BlockedFile, ...] = ()
    silent: tuple[SilentFeed, ...] = ()
    critical: int = 0
    changes: Mapping[str, int] = field(default_factory=dict)


def watch(warehouse: Warehouse, run: Run, settings: Settings) -> Watched:
    """Look at a run that is judged."""
    blocked = warehouse.db.execute(
        "SELECT clinic_id, feed, path, reason FROM ops.batches "
        "WHERE state = 'blocked' AND loaded_run = ? ORDER BY path",
        [run.run_id],
    ).fetchall()
    row = warehouse.db.execute(
        "SELECT count(*) FROM marts.findings WHERE severity = 'critical' AND status = 'not_met' "
        "AND NOT waived AND first_found_run = ?",
        [run.run_id],
    ).fetchone()
    assert row is not None
    changes = warehouse.db.execute(
        "SELECT cause, count(*) FROM ops.verdict_changes WHERE run_id = ? "
        "GROUP BY ALL ORDER BY ALL",
        [run.run_id],
    ).fetchall()
    return Watched(
        tuple(BlockedFile(*row) for row in blocked),
        silent_feeds(warehouse, run, settings),
        int(row[0]),
        dict(changes),
    )


def silent_feeds(warehouse: Warehouse, run: Run, settings: Settings) -> tuple[SilentFeed, ...]:
    """Feeds whose newest delivery of a clinic lies `stale_days` or more before `as_of`; one that
    the clinic never delivered is none of them."""
    told = settings.alerts
    newest = cutoffs(warehouse, run.as_of).filter(
        pl.col("feed").is_in(told.stale_feeds)
        & (pl.col("cutoff") <= run.as_of - timedelta(days=told.stale_days))
    )
    return tuple(
        SilentFeed(clinic_id, feed, (run.as_of - cutoff).days)
        for clinic_id, feed, cutoff in newest.iter_rows()
    )
