"""`cadence`: readings that follow one another closely enough."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from protocols.context import Judged, minute_words
from protocols.expressions import SLACK
from protocols.kinds import MET, NOT_EVALUABLE, NOT_MET, PENDING, Asks, Outcome, status
from protocols.linked import Part
from protocols.model import CadenceRule, Missing
from protocols.sentences import sentence
from protocols.times import minutes
from protocols.words import (
    expression_words,
    feed_words,
    length_words,
    link_words,
    window_words,
)  # fmt: skip

KIND = "cadence"
_ENDS = {
    "both": "the first and the last no further than that from the ends",
    "start": "the first no further than that from the beginning",
    "end": "the last no further than that from the end",
    "none": "however far from the ends",
}


def parts(rule: CadenceRule) -> Sequence[Part]:
    """One part: the readings in the window."""
    return [Part(rule.id, rule.of, rule.by, rule.window, rule.among, readings=True)]


def verdict(rule: CadenceRule, judged: Judged) -> Outcome:
    """The largest gap, from the window's start and to its end as `ends` says, against the limit."""
    name = rule.id
    start, end = pl.col(f"{name}.start"), pl.col(f"{name}.end")
    first, last = pl.col(f"{name}.first"), pl.col(f"{name}.last")
    until = pl.col(f"{name}.gap_to")
    spans = [(until - pl.col(f"{name}.gap"), until)]
    if rule.ends in ("both", "start"):
        spans.append((start, first))
    if rule.ends in ("both", "end"):
        spans.append((last, end))
    gaps = [minutes(to - since) for since, to in spans]
    none = pl.col(f"{name}.n") == 0
    largest = pl.when(~none).then(pl.max_horizontal(gaps).fill_null(0.0))
    allowed = rule.every.minutes + rule.tolerance.minutes
    unknown = pl.col(f"{name}.unknown") | (end < start)
    return Outcome(
        status=pl.when(unknown)
        .then(status(NOT_EVALUABLE))
        .when(end > judged.cutoff(rule.of))
        .then(status(PENDING))
        .when(none)
        .then(status(missing(rule)))
        .when(largest <= allowed + SLACK)
        .then(status(MET))
        .otherwise(status(NOT_MET)),
        observed=pl.when(~unknown).then(largest),
        reason=pl.when(unknown)
        .then(pl.lit("start or end of the readings not charted"))
        .when(none)
        .then(sentence("no {}{} between {} and {}; at most {} min allowed", pl.lit(rule.of),
                        pl.lit(f" with {expression_words(rule.among)}" if rule.among else ""),
                        judged.moment(start), judged.moment(end), pl.lit(f"{allowed:g}")))
        .otherwise(sentence("no reading for {}, {} to {}; at most {} min allowed",
                             minute_words(largest), *_widest(judged, spans, gaps, largest),
                             pl.lit(f"{allowed:g}"))),
        due_at=end,
        for_want=pl.lit(value=True),
        of=rule.of,
        link=rule.by,
    )  # fmt: skip


def asks(rule: CadenceRule) -> Asks:
    """Which readings, when, and how far apart they may lie."""
    about = {"of": feed_words(rule.of), **link_words(rule), "window": window_words(rule.window)}
    if rule.among is not None:
        about["among"] = f"only those with {expression_words(rule.among)}"
    limits = {"every": f"at most {length_words(rule.every)} apart"}
    if rule.tolerance.microseconds:
        limits["tolerance"] = f"{length_words(rule.tolerance)} more is let pass"
    return Asks(about, {**limits, "ends": _ENDS[rule.ends]})


def missing(rule: CadenceRule) -> Missing:
    """No reading at all is not met unless the rule says otherwise."""
    return rule.missing or "not_met"


def _widest(
    judged: Judged, spans: list[tuple[pl.Expr, pl.Expr]], gaps: list[pl.Expr], largest: pl.Expr
) -> list[pl.Expr]:
    """Local start and end of the widest gap."""
    found = []
    for side in (0, 1):
        at = pl.lit(None)
        for span, gap in zip(reversed(spans), reversed(gaps), strict=True):
            at = pl.when(gap == largest).then(span[side]).otherwise(at)
        found.append(judged.clock(at))
    return found
