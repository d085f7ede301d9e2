"""Subjects with flags of risk, and the flags that make up each score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.reports.queries import Row, grouped, rows

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
            db, f"SELECT f.* FROM {marts}.risk_flags f SEMI JOIN "
            f"(SELECT * FROM {marts}.risk_scores WHERE subject_kind = $1 "
            f"ORDER BY score DESC, clinic_id, subject_id LIMIT {MOST}) s "
            "USING (clinic_id, subject_kind, subject_id) ORDER BY f.points DESC, f.signal", kind,
        ),
        *_KEY,
    )  # fmt: skip
    for subject in shown:
        subject["flags"] = flags[tuple(subject[name] for name in _KEY)]
    return {"kind": kind, "count": count["subjects"], "levels": levels, "shown": shown}
