"""People against their peers: whose share of unusual rows lies above the funnel of all.

A row is unusual where its value lies well above the median of its like; how many are is then
compared by `flows.funnels`. No z-score and no mean of a single person makes a flag.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import polars as pl

from flows.funnels import funnel
from flows.metrics.flags import REACHED, worst
from protocols.risk import Signal
from protocols.scoring import SLACK
from protocols.sentences import number_words, sentence

_PERSON = ("clinic_id", "subject_id")
_EVENTS, _TRIALS = pl.col("events"), pl.col("trials")


def unusual(value: pl.Expr, like: Sequence[str], signal: Signal) -> pl.Expr:
    """Whether a value lies more than the signal's `above_pct` above the median of its like."""
    share = 1 + signal.parameters["above_pct"] / 100
    return (value > value.median().over(like) * share + SLACK).fill_null(value=False)


def above_peers(rows: pl.LazyFrame, signal: Signal, row_feed: str, what: str) -> pl.LazyFrame:
    """Observations of people: the share of their rows that is `unusual`, against the limit of those
    in the same `group`; of several groups, that in which it is furthest above.

    `rows`: clinic_id, subject_id, row_id, at, group (in words), unusual. People with fewer rows
    than `trials_least` are no peers; fewer peers than `peers_least` are compared with nobody, and
    fewer unusual rows than `events_least` flag nobody. `what` says what a row is.
    """
    judged = _judged(rows, signal)
    said = rows.filter("unusual").join(judged, on=[*_PERSON, "group"])
    last = pl.col("row_id") == pl.col("row_id").sort_by("at", "row_id").last().over(_PERSON)
    limit = (pl.col("threshold") * _TRIALS).round().cast(pl.Int64) - 1
    others = pl.col("peers") - 1
    events = said.filter(REACHED | last).select(
        *_PERSON, "row_id", "at", "observed", "threshold",
        peers=sentence("{} others with {}", others, pl.col("group")),
        reason=sentence(
            "{} of {} {} with {} ({} %); {} % among {} peers, so that up to {} are to be expected",
            _EVENTS, _TRIALS, pl.lit(what), pl.col("group"), _per_cent("observed"),
            _per_cent("target"), pl.col("peers"), limit,
        ),
    )  # fmt: skip
    return worst(events, signal, row_feed)


def _judged(rows: pl.LazyFrame, signal: Signal) -> pl.LazyFrame:
    """People and groups with unusual rows: `observed`, and the least share that flags it."""
    asked = signal.parameters
    people = rows.group_by(*_PERSON, "group").agg(trials=pl.len(), events=pl.col("unusual").sum())
    deviations = NormalDist().inv_cdf(1 - asked["tail"])
    held = funnel(people, ["group"], deviations, round(asked["trials_least"]), middle=True)
    # The limit itself is inside: the first whole number above it is what flags.
    least = pl.max_horizontal(
        (pl.col("high") * _TRIALS + SLACK).floor() + 1, pl.lit(asked["events_least"])
    )
    furthest = (pl.col("share") / pl.col("threshold"), pl.col("group"))
    return (
        held.filter(pl.col("peers") >= asked["peers_least"], _EVENTS > 0)
        .with_columns(threshold=least / _TRIALS, observed="share")
        .sort(*_PERSON, *furthest, descending=[False, False, True, False])
        .unique(_PERSON, keep="first", maintain_order=True)
    )


def _per_cent(share: str) -> pl.Expr:
    return number_words((pl.col(share) * 100).round(1))
