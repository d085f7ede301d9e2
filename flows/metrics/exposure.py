"""Exposure: milligrams given and handed out, as charted and as if given into a vein.

Shares by route stand in `protocols/risk.yaml`. Ketamine and esketamine are added up apart, and so
are what was given and what was handed out, which need not have been taken. Sums are of millionths
of a milligram, so that they do not hang on the order of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from flows.metrics.flags import since, worst
from protocols.risk import Exposure, Signal
from protocols.sentences import amount_words, day_words, sentence
from protocols.times import local_day

DRUG = ("clinic_id", "patient_id", "drug")
_WHOLE = 1e6


def given(doses: pl.LazyFrame, held: Exposure) -> pl.LazyFrame:
    """Doses with `mg` and `iv_mg`, in millionths; null where the route is unknown.

    `doses`: clinic_id, patient_id, dose_id, drug, route, amount_mg, started_at.
    """
    return _weighed(doses.with_columns(at="started_at"), "route", held.shares)


def handed_out(dispenses: pl.LazyFrame, held: Exposure) -> pl.LazyFrame:
    """Take-home supplies, likewise."""
    return _weighed(dispenses.with_columns(at="dispensed_at"), "form", held.form_shares)


def _weighed(rows: pl.LazyFrame, by: str, shares: Mapping[str, float]) -> pl.LazyFrame:
    share = pl.col(by).replace_strict(shares, default=None, return_dtype=pl.Float64())
    amount = pl.col("amount_mg").cast(pl.Float64) * _WHOLE
    return rows.with_columns(
        mg=amount.round().cast(pl.Int64), iv_mg=(amount * share).round().cast(pl.Int64)
    )


def patient_exposure(doses: pl.LazyFrame, supplies: pl.LazyFrame) -> pl.LazyFrame:
    """One row is one patient and drug; `doses` are `given`, `supplies` `handed_out`."""
    columns = ("at", "mg", "iv_mg")
    both = pl.concat(
        [
            doses.select(*DRUG, *columns, home=pl.lit(value=False)),
            supplies.select(*DRUG, *columns, home=pl.lit(value=True)),
        ]
    )
    home = pl.col("home")
    return both.group_by(DRUG).agg(
        doses=(~home).sum().cast(pl.Int64),
        given_mg=_milligrams(pl.col("mg").filter(~home)),
        given_iv_mg=_milligrams(pl.col("iv_mg").filter(~home)),
        supplies=home.sum().cast(pl.Int64),
        dispensed_mg=_milligrams(pl.col("mg").filter(home)),
        dispensed_iv_mg=_milligrams(pl.col("iv_mg").filter(home)),
        unknown_route=pl.col("iv_mg").is_null().sum().cast(pl.Int64),
        first_at=pl.col("at").min(),
        last_at=pl.col("at").max(),
    )


def _milligrams(amounts: pl.Expr) -> pl.Expr:
    return amounts.sum().cast(pl.Float64) / _WHOLE


def high_exposure(
    rows: pl.LazyFrame,
    signal: Signal,
    row_feed: str,
    row_id: str,
    as_of: datetime,
    zones: Sequence[str],
) -> pl.LazyFrame:
    """The most that was given, or handed out, of a drug within so many days, at each row; `rows`
    are `given` or `handed_out`, with their _zone."""
    days = int(signal.parameters["within_days"])
    summed = summed_within(rows.filter(pl.col("iv_mg").is_not_null()), days, row_id, zones)
    word = "given" if row_feed == "doses" else "handed out"
    events = summed.select(
        "clinic_id",
        "at",
        subject_id="patient_id",
        row_id=row_id,
        observed=pl.col("sum_iv_mg"),
        reason=sentence(
            "{} mg of {} " + word + " in the {} days up to {}, as if into a vein",
            amount_words(pl.col("sum_iv_mg")), "drug", pl.lit(days), day_words("day"),
        ),
    )  # fmt: skip
    return worst(since(events, signal, as_of), signal, row_feed)


def summed_within(rows: pl.LazyFrame, days: int, row_id: str, zones: Sequence[str]) -> pl.LazyFrame:
    """Rows with `day` and `sum_iv_mg`, of the patient's and drug's rows in the so many local days
    that end with it."""
    placed = rows.with_columns(day=local_day(pl.col("at"), zones)).sort(*DRUG, "day", "at", row_id)
    daily = (
        placed.rolling("day", period=f"{days}d", group_by=DRUG)
        .agg(sum_iv_mg=_milligrams(pl.col("iv_mg")))
        .unique([*DRUG, "day"])
    )
    return placed.join(daily, on=[*DRUG, "day"])
