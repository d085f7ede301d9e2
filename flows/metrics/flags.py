"""What every signal of risk gives, and how flags and scores follow from it.

An observation is what was seen of one signal (`protocols/risk.yaml`) at one subject. It is a flag
where it reaches the threshold; a subject's score is the sum of its flags' points.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from protocols.risk import Risk, Signal
from protocols.scoring import SLACK
from protocols.sentences import sentence
from protocols.times import INSTANT

SUBJECT = ("clinic_id", "subject_kind", "subject_id")
OBSERVATION = pl.Schema(
    {
        **dict.fromkeys((*SUBJECT, "signal"), pl.String()),
        "observed": pl.Float64(), "threshold": pl.Float64(), "peers": pl.String(),
        "reason": pl.String(), "first_at": INSTANT, "last_at": INSTANT,
        "row_feed": pl.String(), "row_ids": pl.List(pl.String()), "leaves_at": INSTANT,
    }
)  # fmt: skip
"""One row is one signal at one subject. `row_ids` are the rows of `row_feed` that it rests on, by
time, `first_at` and `last_at` when the first and the last of them happened. At `leaves_at` the
first of the events that it was made of leaves the signal's window; null without one."""
REACHED = pl.col("observed") >= pl.col("threshold") - SLACK


def worst(events: pl.LazyFrame, signal: Signal, row_feed: str) -> pl.LazyFrame:
    """Observations of a signal that each event has on its own: the most that was observed, with the
    reason of that event (the earliest on a tie). It rests on the events that reach the threshold,
    where none does on that one.

    `events`: clinic_id, subject_id, row_id, at, observed, reason, and `threshold` and `peers` where
    they are not the signal's own, `oldest_at` where it is made of something before `at`.
    """
    most = pl.col("observed").arg_max()
    kept = REACHED | (pl.col("observed") == pl.col("observed").max())
    return _observations(
        _events(events, signal),
        signal,
        row_feed,
        observed=pl.col("observed").max(),
        reason=pl.col("reason").get(most),
        threshold=pl.col("threshold").get(most),
        peers=pl.col("peers").get(most),
        first_at=pl.col("at").filter(kept).first(),
        last_at=pl.col("at").filter(kept).last(),
        row_ids=pl.col("row_id").filter(kept),
    )


def counted(events: pl.LazyFrame, signal: Signal, row_feed: str) -> pl.LazyFrame:
    """Observations of a signal that counts events: how many there are, all of which it rests on.

    `events` as `worst` takes them, without `observed`; `reason` is each event's, without a capital
    letter or a full stop.
    """
    number = pl.len()
    last = pl.col("reason").last()
    return _observations(
        _events(events, signal),
        signal,
        row_feed,
        observed=number.cast(pl.Float64),
        reason=pl.when(number > 1).then(sentence("{} times, at last: {}", number, last))
        .otherwise(last),
        threshold=pl.col("threshold").last(),
        peers=pl.col("peers").last(),
        first_at=pl.col("at").first(),
        last_at=pl.col("at").last(),
        row_ids=pl.col("row_id"),
    )  # fmt: skip


def since(events: pl.LazyFrame, signal: Signal, as_of: datetime, at: str = "at") -> pl.LazyFrame:
    """Events in the signal's window up to `as_of`, ends included."""
    if signal.window is None:
        return events
    return events.filter(pl.col(at) >= pl.lit(as_of - signal.window.delta, INSTANT))


def _events(events: pl.LazyFrame, signal: Signal) -> pl.LazyFrame:
    names = events.collect_schema().names()
    own = {
        "threshold": pl.lit(signal.at_least, pl.Float64), "peers": pl.lit(None, pl.String),
        "oldest_at": pl.col("at"),
    }  # fmt: skip
    given = events.with_columns(**{n: value for n, value in own.items() if n not in names})
    return given.sort("clinic_id", "subject_id", "at", "row_id")


def _observations(
    events: pl.LazyFrame, signal: Signal, row_feed: str, **said: pl.Expr
) -> pl.LazyFrame:
    window = signal.window.delta if signal.window else None
    return (
        events.group_by("clinic_id", "subject_id", maintain_order=True)
        .agg(**said, leaves_at=pl.col("oldest_at").min() + pl.lit(window, pl.Duration("us")))
        .select(
            pl.lit(signal.about).alias(name) if name == "subject_kind"
            else pl.lit(signal.id).alias(name) if name == "signal"
            else pl.lit(row_feed).alias(name) if name == "row_feed"
            else pl.col(name).cast(kind)
            for name, kind in OBSERVATION.items()
        )
    )  # fmt: skip


def flags(observations: pl.LazyFrame, held: Risk) -> pl.LazyFrame:
    """Observations that reach their threshold, with the signal's title, tier and points."""
    return observations.filter(REACHED).join(_signals(held), on="signal")


def scores(flagged: pl.LazyFrame, held: Risk) -> pl.LazyFrame:
    """One row is one subject with a flag: the sum of its points, the level, the signals' names."""
    found = flagged.group_by(SUBJECT).agg(
        score=pl.col("points").sum().cast(pl.Int64), signals=pl.col("signal").sort()
    )
    return found.with_columns(level=level(pl.col("score"), held)).sort(SUBJECT)


def level(score: pl.Expr, held: Risk) -> pl.Expr:
    """The level of a score."""
    named = pl.lit(None, pl.String)
    for each in held.levels.of:
        named = pl.when(score >= each.score_least).then(pl.lit(each.level)).otherwise(named)
    return named


def _signals(held: Risk) -> pl.LazyFrame:
    rows = [
        {"signal": s.id, "title": s.title, "tier": s.tier, "points": s.points} for s in held.signals
    ]
    kinds = {"signal": pl.String(), "title": pl.String(), "tier": pl.String(), "points": pl.Int64()}
    return pl.LazyFrame(rows, schema=kinds)
