"""Which sessions protocols govern: what is judged, what was not dosed, what none covers."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from protocols.facts import Facts
from protocols.times import local_day


def governance(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        "clinic_id", "session_id", _governs="_governs", _mine=pl.col("_version").is_not_null()
    )


def governed(parts: Sequence[pl.DataFrame], facts: Facts) -> pl.DataFrame:
    """Each session that was completed or aborted: judged, aborted without a dose, uncovered."""
    schema = {"clinic_id": pl.String, "session_id": pl.String, "_governs": pl.Boolean,
              "_mine": pl.Boolean}  # fmt: skip
    held = (
        pl.concat([pl.DataFrame(schema=schema), *parts])
        .group_by("clinic_id", "session_id")
        .agg(pl.col("_governs").any(), pl.col("_mine").any())
    )
    dosed = pl.col("_first_any").is_not_null()
    completed, aborted = pl.col("status") == "completed", pl.col("status") == "aborted"
    return (
        facts.evidence("sessions")
        .filter(completed | aborted)
        .join(facts.zones.lazy(), on="clinic_id", how="left")
        .with_columns(local_date=local_day(pl.coalesce("_at", "scheduled_at"), facts.zone_names))
        .join(held.lazy(), on=["clinic_id", "session_id"], how="left")
        .with_columns(pl.col("_governs", "_mine").fill_null(value=False))
        .select(
            "clinic_id", "session_id", "patient_id", "program",
            month=pl.col("local_date").dt.truncate("1mo"),
            judged=pl.col("_mine"),
            not_dosed=aborted & ~pl.col("_mine") & (pl.col("_governs") | ~dosed),
            uncovered=~pl.col("_governs") & (completed | (aborted & dosed)),
        )
        .collect()
    )  # fmt: skip
