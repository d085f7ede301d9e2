"""`change`: a value against that of the course's previous session."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from protocols.context import Judged, number_words
from protocols.expressions import SLACK
from protocols.kinds import EXCLUDED, MET, NOT_EVALUABLE, NOT_MET, Outcome, status
from protocols.linked import Part
from protocols.model import ChangeRule

KIND = "change"


def parts(rule: ChangeRule) -> Sequence[Part]:
    """A change rests on the judged row and the one before it."""
    return ()


def verdict(rule: ChangeRule, judged: Judged) -> Outcome:
    """Excluded without a previous session; a null, or a percentage of 0, is `missing`."""
    now, then = pl.col(f"{rule.id}.now"), pl.col(f"{rule.id}.then")
    none = pl.col("_previous_subject").is_null() | pl.col("started_at").is_null()
    difference = now - then
    percent = difference / then.abs() * 100
    limits = [
        (rule.max_increase, difference, "rise of at most {:g}"),
        (rule.max_decrease, -difference, "fall of at most {:g}"),
        (rule.max_increase_pct, percent, "rise of at most {:g} %"),
        (rule.max_decrease_pct, -percent, "fall of at most {:g} %"),
    ]
    used = [(limit, moved, words) for limit, moved, words in limits if limit is not None]
    in_percent = rule.max_increase_pct is not None or rule.max_decrease_pct is not None
    unusable = difference.is_null() | ((then == 0) & pl.lit(in_percent))
    words = " and ".join(words.format(limit) for limit, _, words in used)
    return Outcome(
        status=pl.when(none)
        .then(status(EXCLUDED))
        .when(unusable)
        .then(status(rule.missing or NOT_EVALUABLE))
        .when(pl.all_horizontal([moved <= limit + SLACK for limit, moved, _ in used]))
        .then(status(MET))
        .otherwise(status(NOT_MET)),
        observed=pl.when(~none).then(difference),
        reason=pl.when(unusable)
        .then(pl.lit(f"{rule.title}: not charted now or the last time"))
        .otherwise(
            pl.format("from {} to {}; a {} allowed", number_words(then), number_words(now),
                      pl.lit(words))
        ),
        due_at=pl.lit(None),
    )  # fmt: skip
