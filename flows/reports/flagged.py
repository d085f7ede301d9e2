"""Subjects with flags of risk, and the flags that make up each score."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from flows.reports.queries import Row, grouped, rows
from flows.reports.words import day, days

if TYPE_CHECKING:
    import duckdb

MOST = 30
_KEY = ("clinic_id", "subject_kind", "subject_id")


def flagged(db: duckdb.DuckDBPyConnection, kind: str, marts: str = "marts") -> Row:
    """Subjects of one kind, the highest score first: at most MOST of them, how many in all and by
    level, each with its `flags`, whose points add up to its score, from the schema `marts`."""
    (count,) = rows(
        db, f"SELECT count(*) AS subjects FROM {marts}.risk_scores WHERE subject_kind = $1", kind
    )
    levels = rows(
        db, f"SELECT level, count(*) AS subjects, max(score) AS most FROM {marts}.risk_scores "
        "WHERE subject_kind = $1 GROUP BY ALL ORDER BY most DESC, level", kind,
    )  # fmt: skip
    shown = rows(
        db, f"SELECT * FROM {marts}.risk_scores WHERE subject_kind = $1 "
        f"ORDER BY score DESC, clinic_id, subject_id LIMIT {MOST}", kind,
    )  # fmt: skip
    flags = grouped(
        rows(
            db, f"SELECT f.*, coalesce(c.time_zone, 'UTC') AS zone FROM {marts}.risk_flags f "
            "LEFT JOIN marts.clinics c USING (clinic_id) SEMI JOIN "
            f"(SELECT * FROM {marts}.risk_scores WHERE subject_kind = $1 "
            f"ORDER BY score DESC, clinic_id, subject_id LIMIT {MOST}) s "
            "USING (clinic_id, subject_kind, subject_id) ORDER BY f.points DESC, f.signal", kind,
        ),
        *_KEY,
    )  # fmt: skip
    for flag in chain.from_iterable(flags.values()):
        flag["when"] = _when(flag)
    for subject in shown:
        subject["flags"] = flags[tuple(subject[name] for name in _KEY)]
    return {"kind": kind, "count": count["subjects"], "levels": levels, "shown": shown}


def _when(flag: Row) -> str:
    """From the first to the last local day of what a flag rests on; nothing where that is one day,
    and the reason says which."""
    zone = ZoneInfo(flag["zone"])
    first, last = (flag[at].astimezone(zone).date() for at in ("first_at", "last_at"))
    return "" if first == last and day(first) in flag["reason"] else days(first, last)
