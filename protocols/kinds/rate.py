"""`rate`: how often something may happen to a patient within a time."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from protocols.context import Judged
from protocols.kinds import MET, NOT_EVALUABLE, NOT_MET, Asks, Outcome, status
from protocols.linked import Part
from protocols.model import Missing, RateRule
from protocols.sentences import sentence
from protocols.words import length_words

KIND = "rate"
_ACROSS = {
    "protocol": "how often this protocol judges the patient",
    "patient": "all sessions of the patient, under any protocol or none",
}


def parts(rule: RateRule) -> Sequence[Part]:
    """Counted over judged rows, or the patient's sessions: see `protocols.counting`."""
    return ()


def verdict(rule: RateRule, judged: Judged) -> Outcome:
    """This row and earlier ones that start after this one's start - within, at most so many."""
    n = pl.col(f"{rule.id}.count")
    return Outcome(
        status=pl.when(n.is_null())
        .then(status(NOT_EVALUABLE))
        .when(n <= rule.at_most)
        .then(status(MET))
        .otherwise(status(NOT_MET)),
        observed=n.cast(pl.Float64),
        reason=pl.when(n.is_null())
        .then(pl.lit("its start is not charted"))
        .otherwise(
            sentence(
                "the {}. within {}; at most {} allowed",
                n, pl.lit(rule.within.words), pl.lit(rule.at_most),
            )
        ),
        due_at=pl.lit(None),
    )  # fmt: skip


def asks(rule: RateRule) -> Asks:
    """What is counted, and how many of it may fall into what time."""
    limits = {
        "at_most": f"at most {rule.at_most}",
        "within": f"within {length_words(rule.within)}, this one included",
    }
    return Asks({"across": _ACROSS[rule.across]}, limits)


def missing(rule: RateRule) -> Missing | None:
    """There is always the judged row to count."""
    return None
