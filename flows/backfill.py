"""The days of a range judged anew, and a run published: what changes is kept with its cause."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from flows.days import Days, check_clinic
from flows.judging import waivers_in_force
from flows.night import open_night
from flows.progress import Progress
from flows.reach import STALE_SUBJECTS
from flows.runs import Run
from flows.scope import find_scope
from flows.settings import Settings
from flows.summary import Summary
from flows.warehouse import read_warehouse
from protocols.load import load_protocols


def backfill(settings: Settings, days: Days, progress: Progress) -> Summary:
    """Judge the rows of those days anew from facts, and whatever else a night would, and publish.

    Nothing is landed. Raises UsageError without a warehouse or for a clinic that is none, and what
    a night raises.
    """
    with read_warehouse(settings.warehouse) as warehouse:
        check_clinic(warehouse, days)
    with open_night(settings, progress=progress, days=days) as night:
        night.judge()
        night.publish()
        return night.summary()


@dataclass(frozen=True)
class BackfillRehearsal:
    """Rows that would be judged by kind, of how many, and whether that is everything there is."""

    first: str
    last: str
    everything: bool
    judged_again: dict[str, int]
    subjects: int

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def words(self) -> str:
        """For a person at a terminal."""
        count = sum(self.judged_again.values())
        kinds = ", ".join(f"{number:,} {kind}s" for kind, number in self.judged_again.items())
        why = ": protocols, contracts or Keel have changed" if self.everything else ""
        return (
            f"dry run, {self.first} to {self.last}: nothing is written\n"
            f"  would judge {count:,} of {self.subjects:,} subjects anew{why}"
            f"{f' ({kinds})' if kinds else ''}"
        )


def rehearse_backfill(settings: Settings, days: Days) -> BackfillRehearsal:
    """Look, and write nothing. Raises what a backfill would raise before it starts."""
    with read_warehouse(settings.warehouse) as warehouse:
        check_clinic(warehouse, days)
        protocols = load_protocols(settings.protocols, settings.builtin_protocols)
        run = Run("", 0, settings.now(), datetime.now(UTC))
        waived = waivers_in_force(warehouse, run)
        scope = find_scope(warehouse, protocols, run, settings, waived, full=False, days=days)
        among = "" if scope.everything else f"SEMI JOIN {STALE_SUBJECTS} USING ({_KEYS})"
        kinds = warehouse.db.execute(
            f"SELECT subject_kind, count(*) FROM (SELECT DISTINCT {_KEYS} FROM marts.subjects "
            f"{among}) GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        row = warehouse.db.execute(
            f"SELECT count(*) FROM (SELECT DISTINCT {_KEYS} FROM marts.subjects)"
        ).fetchone()
    assert row is not None
    return BackfillRehearsal(
        days.first.isoformat(), days.last.isoformat(), scope.everything, dict(kinds), int(row[0])
    )


_KEYS = "clinic_id, subject_kind, subject_id"
