"""Adherence: how often each rule was met, with how much certainty."""

from __future__ import annotations

import polars as pl
from scipy.stats import binomtest

COUNTS = ("met", "not_met", "waived", "not_evaluable", "pending", "excluded")
KEYS = ("clinic_id", "rule_no", "month")


def monthly_counts(verdicts: pl.DataFrame, subjects: pl.DataFrame) -> pl.DataFrame:
    """Verdicts by clinic, rule and local month: one column for each status, and `waived`."""
    failed = pl.col("status") == "not_met"
    where = subjects.select(
        "subject_no", "clinic_id", month=pl.col("local_date").dt.truncate("1mo")
    )
    return (
        verdicts.join(where, on="subject_no")
        .group_by(KEYS)
        .agg(
            *((pl.col("status") == name).sum().cast(pl.Int64).alias(name)
              for name in COUNTS if name != "waived"),
            waived=(failed & pl.col("waived")).sum().cast(pl.Int64),
        )
        .select(*KEYS, *COUNTS)
    )  # fmt: skip


def rule_monthly(counts: pl.DataFrame) -> pl.DataFrame:
    """Rates of monthly counts: rate = met / (met + not_met), with a 95 % Wilson interval;
    documented_rate counts what was not evaluable as a miss; completeness is the evaluable share.
    A rate of nothing is null.
    """
    met, not_met, waived = pl.col("met"), pl.col("not_met"), pl.col("waived")
    missing = pl.col("not_evaluable")
    totals = counts.group_by(KEYS).agg(pl.col(COUNTS).sum())
    evaluated = totals.select("met", n=met + not_met).unique().filter(pl.col("n") > 0)
    intervals = pl.DataFrame(
        [
            {"met": k, "_n": n, "rate_low": low, "rate_high": high}
            for k, n, low, high in (_wilson(*row) for row in evaluated.iter_rows())
        ],
        schema={"met": pl.Int64, "_n": pl.Int64, "rate_low": pl.Float64, "rate_high": pl.Float64},
    )
    return (
        totals.with_columns(_n=met + not_met)
        .join(intervals, on=["met", "_n"], how="left")
        .with_columns(
            rate=_share(met, met + not_met),
            rate_without_waived=_share(met, met + not_met - waived),
            documented_rate=_share(met, met + not_met + missing),
            completeness=_share(met + not_met, met + not_met + missing),
        )
        .drop("_n")
        .sort(KEYS)
    )


def _share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)


def _wilson(k: int, n: int) -> tuple[int, int, float, float]:
    interval = binomtest(k, n).proportion_ci(confidence_level=0.95, method="wilson")
    return k, n, float(interval.low), float(interval.high)
