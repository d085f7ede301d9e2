"""`elapsed`: the time from one moment to another."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from protocols.context import Judged, minute_words
from protocols.kinds import MET, NOT_EVALUABLE, NOT_MET, PENDING, Outcome, status
from protocols.linked import Part
from protocols.model import ElapsedRule
from protocols.times import minutes

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
        .then(status(rule.missing or NOT_EVALUABLE))
        .when(pl.all_horizontal(tests))
        .then(status(MET))
        .otherwise(status(NOT_MET)),
        observed=took,
        reason=pl.when(start.is_null())
        .then(pl.lit(f"{names[0]}: not charted"))
        .when(end.is_null())
        .then(pl.lit(f"{names[1]}: not charted"))
        .otherwise(
            pl.format(
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
