"""`elapsed`: the time from one moment to another."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from protocols.context import Judged, minute_words
from protocols.kinds import MET, NOT_EVALUABLE, NOT_MET, PENDING, Asks, Outcome, status
from protocols.linked import Part
from protocols.model import ElapsedRule, Missing
from protocols.sentences import sentence
from protocols.times import minutes
from protocols.words import length_words, name_words

KIND = "elapsed"


def parts(rule: ElapsedRule) -> Sequence[Part]:
    """Elapsed time rests on the judged row alone."""
    return ()


def verdict(rule: ElapsedRule, judged: Judged) -> Outcome:
    """By duration, ends included. Without a `to`: pending until the deadline, then `missing`."""
    start, end = judged.instant(rule.from_), judged.instant(rule.to)
    deadline = judged.not_after(start, rule.max if rule.max is not None else rule.grace)
    tests, words = [], []
    if rule.min is not None:
        tests.append(end >= judged.not_before(start, rule.min))
        words.append(f"at least {rule.min.words}")
    if rule.max is not None:
        tests.append(end <= judged.not_after(start, rule.max))
        words.append(f"at most {rule.max.words}")
    took = minutes(end - start)
    names = (rule.from_.replace("_", " "), rule.to.replace("_", " "))
    return Outcome(
        status=pl.when(start.is_null())
        .then(status(NOT_EVALUABLE))
        .when(end.is_null() & (deadline > judged.cutoff(judged.feed)))
        .then(status(PENDING))
        .when(end.is_null())
        .then(status(missing(rule)))
        .when(pl.all_horizontal(tests))
        .then(status(MET))
        .otherwise(status(NOT_MET)),
        observed=took,
        reason=pl.when(start.is_null())
        .then(pl.lit(f"{names[0]}: not charted"))
        .when(end.is_null())
        .then(pl.lit(f"{names[1]}: not charted"))
        .otherwise(
            sentence(
                "{} from {} ({}) to {} ({}); {} required",
                minute_words(took),
                pl.lit(names[0]),
                judged.clock(start),
                pl.lit(names[1]),
                judged.clock(end),
                pl.lit(" and ".join(words)),
            )
        ),
        due_at=deadline,
    )


def asks(rule: ElapsedRule) -> Asks:
    """From when to when, and how long that may take."""
    span = f"the time from {name_words(rule.from_)} to {name_words(rule.to)}"
    limits = {}
    if rule.min is not None:
        limits["min"] = f"at least {length_words(rule.min)}"
    if rule.max is not None:
        limits["max"] = f"at most {length_words(rule.max)}"
    else:
        limits["grace"] = f"awaited for {length_words(rule.grace)}"
    return Asks({"span": span}, limits)


def missing(rule: ElapsedRule) -> Missing:
    """An end that never came is not evaluable unless the rule says otherwise."""
    return rule.missing or "not_evaluable"
