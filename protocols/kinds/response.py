"""`response`: each trigger row is answered in time."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from protocols.context import Judged
from protocols.kinds import EXCLUDED, MET, NOT_EVALUABLE, NOT_MET, PENDING, Asks, Outcome, status
from protocols.linked import Part
from protocols.model import Missing, ResponseRule
from protocols.sentences import sentence
from protocols.words import (
    expression_words,
    feed_words,
    length_words,
    link_words,
    window_words,
)  # fmt: skip

KIND = "response"


def parts(rule: ResponseRule) -> Sequence[Part]:
    """The trigger rows; their answers are found by `protocols.counting`."""
    trigger = rule.trigger
    return [Part(rule.id, trigger.of, trigger.by, trigger.window, trigger.among, trigger.where)]


def verdict(rule: ResponseRule, judged: Judged) -> Outcome:
    """One unanswered and overdue -> not_met; unanswered and still in time -> pending."""
    overdue, waiting = pl.col(f"{rule.id}.overdue"), pl.col(f"{rule.id}.waiting")
    unknown = pl.col(f"{rule.id}.unknown")
    unanswered = overdue + waiting
    return Outcome(
        status=pl.when(unknown)
        .then(status(NOT_EVALUABLE))
        .when(pl.col(f"{rule.id}.true") == 0)
        .then(status(EXCLUDED))
        .when(overdue > 0)
        .then(status(NOT_MET))
        .when(waiting > 0)
        .then(status(PENDING))
        .otherwise(status(MET)),
        observed=pl.when(~unknown & (pl.col(f"{rule.id}.true") > 0)).then(
            unanswered.cast(pl.Float64)
        ),
        reason=pl.when(unknown)
        .then(pl.lit("start of the window not charted"))
        .otherwise(
            sentence(
                "{} of {} {} not followed by {} within {}", unanswered,
                pl.col(f"{rule.id}.true"), pl.lit(_rows(rule.trigger.of, rule.trigger.where)),
                pl.lit(_rows(rule.then.of, rule.then.where)), pl.lit(rule.then.within.words),
            )
        ),
        due_at=pl.col(f"{rule.id}.due_at"),
        for_want=pl.lit(value=True),
        of=rule.then.of,
        link=rule.then.by,
    )  # fmt: skip


def _rows(feed: str, where: str | None) -> str:
    return f"{feed} with {expression_words(where)}" if where is not None else feed


def asks(rule: ResponseRule) -> Asks:
    """Which rows ask for an answer, which rows are one, and how soon it must come."""
    trigger, then = rule.trigger, rule.then
    about = {
        "trigger.of": f"each of the {feed_words(trigger.of)}",
        **{f"trigger.{name}": said for name, said in link_words(trigger).items()},
        "trigger.window": window_words(trigger.window),
    }
    if trigger.among is not None:
        about["trigger.among"] = f"among those with {expression_words(trigger.among)}"
    if trigger.where is not None:
        about["trigger.where"] = f"with {expression_words(trigger.where)}"
    limits = {
        "then.of": f"followed by one of the {feed_words(then.of)}",
        **{f"then.{name}": said for name, said in link_words(then).items()},
    }
    if then.where is not None:
        limits["then.where"] = f"with {expression_words(then.where)}"
    return Asks(about, {**limits, "then.within": f"within {length_words(then.within)}"})


def missing(rule: ResponseRule) -> Missing | None:
    """Without a trigger there is nothing to answer."""
    return None
