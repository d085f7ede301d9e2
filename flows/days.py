"""A range of local days whose judged rows somebody wants to see judged anew."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import date

from flows.errors import UsageError
from flows.reach import STALE_SUBJECTS
from flows.warehouse import Warehouse
from protocols.evaluate import SUBJECT_KINDS
from protocols.facts import EVENT_TIMES
from protocols.judged import IDS


@dataclass(frozen=True)
class Days:
    """From the first to the last local day, both included; of one clinic or of all."""

    first: date
    last: date
    clinic: str | None = None


def add_days(warehouse: Warehouse, days: Days) -> None:
    """Add to `stale_subjects` the rows of those days, as they are now and as they were judged."""
    dated = [
        f"SELECT f.clinic_id, '{SUBJECT_KINDS[judges]}', f.{key}, "
        f"timezone(z.time_zone, {_moment(judges)})::DATE AS day "
        f"FROM facts.{judges} f JOIN facts.clinics z ON z.clinic_id = f.clinic_id"
        for judges, key in IDS.items()
    ]
    dated.append("SELECT clinic_id, subject_kind, subject_id, local_date FROM marts.subjects")
    warehouse.db.execute(
        f"INSERT INTO {STALE_SUBJECTS} SELECT DISTINCT clinic_id, subject_kind, subject_id "
        f"FROM ({' UNION ALL '.join(dated)}) d (clinic_id, subject_kind, subject_id, day) "
        "WHERE day BETWEEN $first AND $last AND ($clinic IS NULL OR clinic_id = $clinic)",
        {"first": days.first, "last": days.last, "clinic": days.clinic},
    )


def _moment(judges: str) -> str:
    own = f"f.{EVENT_TIMES[judges]}"
    return f"coalesce({own}, f.scheduled_at)" if judges == "sessions" else own


def check_clinic(warehouse: Warehouse, days: Days) -> None:
    """Raises UsageError when the days are those of a clinic that is none here."""
    rows = warehouse.db.execute("SELECT clinic_id FROM facts.clinics ORDER BY 1").fetchall()
    known = [row[0] for row in rows]
    if days.clinic is not None and days.clinic not in known:
        near = difflib.get_close_matches(days.clinic, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"clinics are {', '.join(known)}."
        raise UsageError(f"--clinic: there is no clinic {days.clinic}; {hint}")
