"""What other thresholds would flag, from what was observed: nothing is judged anew."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from flows.metrics.flags import REACHED, SUBJECT, flags, scores
from protocols.risk import Risk

_NONE = "none"


def flagged_by_signal(
    observations: pl.DataFrame, thresholds: Mapping[str, float], held: Risk
) -> pl.DataFrame:
    """One row is one signal that some subject was observed for, or a threshold is asked of: how
    many are flagged `now`, and how many `then` would be."""
    asked = pl.LazyFrame({"signal": list(thresholds)}, schema={"signal": pl.String()})
    every = pl.concat([observations.lazy().select("signal"), asked]).unique()
    counts = [
        rows.lazy().filter(REACHED).group_by("signal").agg(pl.len().cast(pl.Int64).alias(name))
        for name, rows in _both(observations, thresholds)
    ]
    for count in counts:
        every = every.join(count, on="signal", how="left")
    order = {signal.id: at for at, signal in enumerate(held.signals)}
    return (
        every.with_columns(pl.col("now", "then").fill_null(0))
        .sort(pl.col("signal").replace_strict(order, default=len(order)))
        .collect()
    )


def subjects_by_level(
    observations: pl.DataFrame, thresholds: Mapping[str, float], held: Risk
) -> pl.DataFrame:
    """One row is a subject_kind and level, `none` without a flag: subjects `now` and `then`."""
    subjects = observations.select(SUBJECT).unique()
    parts = []
    for name, rows in _both(observations, thresholds):
        level = scores(flags(rows.lazy(), held), held).collect().select(*SUBJECT, "level")
        parts.append(
            subjects.join(level, on=SUBJECT, how="left")
            .group_by("subject_kind", pl.col("level").fill_null(_NONE))
            .agg(pl.len().cast(pl.Int64).alias(name))
        )
    names = [_NONE, *(each.level for each in held.levels.of)]
    return (
        parts[0]
        .join(parts[1], on=("subject_kind", "level"), how="full", coalesce=True)
        .with_columns(pl.col("now", "then").fill_null(0))
        .sort("subject_kind", pl.col("level").replace_strict(names, list(range(len(names)))))
    )


def _both(
    observations: pl.DataFrame, thresholds: Mapping[str, float]
) -> list[tuple[str, pl.DataFrame]]:
    own = pl.col("threshold")
    other = pl.col("signal").replace_strict(
        dict(thresholds), default=None, return_dtype=pl.Float64()
    )
    return [("now", observations),
            ("then", observations.with_columns(threshold=pl.coalesce(other, own)))]  # fmt: skip
