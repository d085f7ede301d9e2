"""Adherence: how often each rule was met, with how much certainty."""

from __future__ import annotations

import polars as pl

from flows.intervals import wilson_of_columns

COUNTS = ("met", "not_met", "waived", "not_evaluable", "pending", "excluded")
KEYS = ("clinic_id", "rule_no", "month")


def monthly_counts(verdicts: pl.DataFrame, subjects: pl.DataFrame) -> pl.DataFrame:
    """Verdicts by clinic, rule and local month: one column for each status, and `waived`, how many
    of those not met are waived.
    """
    failed = pl.col("status") == "not_met"
    where = subjects.select(
        "subject_no", "clinic_id", month=pl.col("local_date").dt.truncate("1mo")
    )
    counted = {
        name: failed & pl.col("waived") if name == "waived" else pl.col("status") == name
        for name in COUNTS
    }
    return (
        verdicts.lazy()
        .join(where.lazy(), on="subject_no")
        .group_by(KEYS)
        .agg(**{name: test.sum().cast(pl.Int64) for name, test in counted.items()})
        .collect()
    )


def rule_monthly(counts: pl.DataFrame) -> pl.DataFrame:
    """Rates of monthly counts, which may come in parts.

    rate = met / (met + not_met) with its 95 % Wilson interval, rate_without_waived leaves waived
    ones out, documented_rate counts what was not evaluable as a miss, completeness is the evaluable
    share. A rate of nothing is null.
    """
    met, failed, missing = pl.col("met"), pl.col("not_met"), pl.col("not_evaluable")
    evaluated = met + failed
    low, high = wilson_of_columns(met, evaluated)
    return (
        counts.group_by(KEYS)
        .agg(pl.col(COUNTS).sum())
        .with_columns(
            rate=_share(met, evaluated),
            rate_low=low,
            rate_high=high,
            rate_without_waived=_share(met, evaluated - pl.col("waived")),
            documented_rate=_share(met, evaluated + missing),
            completeness=_share(evaluated, evaluated + missing),
        )
        .sort(KEYS)
    )


def _share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)
