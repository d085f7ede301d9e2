"""`change`: a value against that of the course's previous session."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from protocols.context import Judged
from protocols.expressions import SLACK
from protocols.kinds import EXCLUDED, MET, NOT_MET, Asks, Outcome, status
from protocols.linked import Part
from protocols.model import ChangeRule, Missing
from protocols.sentences import number_words, sentence
from protocols.words import expression_words, unit_of
from protocols.words import number_words as plain_number

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
        .then(status(missing(rule)))
        .when(pl.all_horizontal([moved <= limit + SLACK for limit, moved, _ in used]))
        .then(status(MET))
        .otherwise(status(NOT_MET)),
        observed=pl.when(~none).then(difference),
        reason=pl.when(unusable)
        .then(pl.lit(f"{rule.title}: not charted now or the last time"))
        .otherwise(
            sentence("from {} to {}; a {} allowed", number_words(then), number_words(now),
                      pl.lit(words))
        ),
        due_at=pl.lit(None),
    )  # fmt: skip


def asks(rule: ChangeRule) -> Asks:
    """Which value, and how far it may move from one session to the next."""
    unit = unit_of(rule.expr)
    wanted = {
        "max_increase": (rule.max_increase, "rising", unit),
        "max_decrease": (rule.max_decrease, "falling", unit),
        "max_increase_pct": (rule.max_increase_pct, "rising", " %"),
        "max_decrease_pct": (rule.max_decrease_pct, "falling", " %"),
    }
    limits = {
        name: f"{way} by at most {plain_number(limit)}{said}"
        for name, (limit, way, said) in wanted.items()
        if limit is not None
    }
    about = f"{expression_words(rule.expr)} against the previous session of the course"
    return Asks({"expr": about}, limits)


def missing(rule: ChangeRule) -> Missing:
    """A value not charted now or then is not evaluable unless the rule says otherwise."""
    return rule.missing or "not_evaluable"
