"""Positive screens for suicidality, and who was in touch afterwards. Not a real-time alarm: it is
as late as the deliveries.
"""

from __future__ import annotations

import polars as pl

from protocols.instruments import Instruments

PATIENT = ("clinic_id", "patient_id")
NOTE = "not a real-time alarm"


def suicidality_followup(
    scores: pl.LazyFrame,
    contacts: pl.LazyFrame,
    cutoffs: pl.LazyFrame,
    quarantined: pl.LazyFrame,
    held: Instruments,
) -> pl.LazyFrame:
    """One row is one positive screen and the patient's next contact after it, if any.

    `contacts` are those that took place, with their `at`; `cutoffs` the clinics' of contacts
    (clinic_id, cutoff); `quarantined` names patients of contacts in quarantine (clinic_id,
    patient_id). status: in_time, late, missed; pending while there is time; not_evaluable where
    contacts were never delivered, or one of the patient's is in quarantine.
    """
    within = {level: length.delta for level, length in held.courses.suicidality.within.items()}
    allowed = pl.col("level").replace_strict(
        within, default=min(within.values()), return_dtype=pl.Duration("us")
    )
    positive = scores.filter(pl.col("level").is_not_null()).sort("at", "outcome_id")
    following = contacts.select(*PATIENT, at="at", next_contact_at="at").sort("at")
    named = quarantined.unique().with_columns(_quarantined=pl.lit(value=True))
    gap = pl.col("next_contact_at") - pl.col("positive_at")
    found = (
        positive.rename({"at": "positive_at"})
        .with_columns(due_at=pl.col("positive_at") + allowed)
        .join_asof(
            following, left_on="positive_at", right_on="at", by=PATIENT, strategy="forward",
            allow_exact_matches=False, check_sortedness=False,
        )
        .join(cutoffs, on="clinic_id", how="left")
        .join(named, on=PATIENT, how="left")
    )  # fmt: skip
    return found.select(
        *PATIENT, "outcome_id", "session_id", "positive_at", "instrument", "level", "due_at",
        "next_contact_at",
        hours=gap.dt.total_microseconds() / 3.6e9,
        status=_status(),
        note=pl.lit(NOTE),
    ).sort(*PATIENT, "positive_at", "outcome_id")  # fmt: skip


def _status() -> pl.Expr:
    at, due = pl.col("next_contact_at"), pl.col("due_at")
    unknown = pl.col("cutoff").is_null() | pl.col("_quarantined").fill_null(value=False)
    return (
        pl.when(at <= due).then(pl.lit("in_time"))
        .when(unknown).then(pl.lit("not_evaluable"))
        .when(due > pl.col("cutoff")).then(pl.lit("pending"))
        .when(at.is_not_null()).then(pl.lit("late"))
        .otherwise(pl.lit("missed"))
    )  # fmt: skip
