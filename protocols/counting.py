"""Features that look at more than one judged row, or pair rows of two feeds: rates, changes,
answers to triggers."""

from __future__ import annotations

import polars as pl

from protocols.beside import beside
from protocols.facts import Facts
from protocols.judged import PATIENT, STARTS
from protocols.linked import Gatherer, Part
from protocols.model import ChangeRule, Protocol, RateRule, ResponseRule
from protocols.times import INSTANT, window_end, window_start


def with_counts(
    judged: pl.DataFrame, everything: pl.DataFrame, protocol: Protocol, facts: Facts
) -> pl.DataFrame:
    """Each rate rule's `<id>.count`; `everything` is what the protocol judges, in any version."""
    for rule in protocol.rules:
        if isinstance(rule, RateRule):
            judged = _with_count(judged, everything, protocol, rule, facts)
    return judged


def _with_count(
    judged: pl.DataFrame, everything: pl.DataFrame, protocol: Protocol, rule: RateRule, facts: Facts
) -> pl.DataFrame:
    start = STARTS[protocol.judges]
    since = window_start(pl.col(start), rule.within, -1, facts.zone_names)
    mine = judged.select("_idx", *PATIENT, "_subject", _start=pl.col(start), _since=since)
    if rule.across == "patient":
        dosed = pl.col("_first_any").is_not_null()
        held = (pl.col("status") == "completed") | ((pl.col("status") == "aborted") & dosed)
        others = (
            facts.evidence("sessions")
            .filter(held)
            .select(*PATIENT, _other=pl.col("session_id"), _other_at=pl.col("_at"))
            .collect()
        )
    else:
        others = everything.select(*PATIENT, _other=pl.col("_subject"), _other_at=pl.col(start))
    at, start_at = pl.col("_other_at"), pl.col("_start")
    before = (at < start_at) | ((at == start_at) & (pl.col("_other") < pl.col("_subject")))
    counted = (
        mine.lazy()
        .join(others.lazy(), on=list(PATIENT), how="inner")
        .filter((at > pl.col("_since")) & before & (pl.col("_other") != pl.col("_subject")))
        .group_by("_idx")
        .agg(_earlier=pl.len())
        .collect()
    )
    return (
        beside(judged, counted, ["_idx"])
        .with_columns(
            pl.when(pl.col(start).is_not_null())
            .then(pl.col("_earlier").fill_null(0) + 1)
            .alias(f"{rule.id}.count")
        )
        .drop("_earlier")
    )


def with_changes(judged: pl.DataFrame, protocol: Protocol, gatherer: Gatherer) -> pl.DataFrame:
    """Each change rule's `<id>.now` and `<id>.then`, its value at the course's previous session."""
    from protocols.expressions import compile_expression

    for rule in protocol.rules:
        if isinstance(rule, ChangeRule):
            value = compile_expression(rule.expr, gatherer.columns).polars
            judged = judged.with_columns(value.alias(f"{rule.id}.now"))
            previous = judged.select(
                *PATIENT,
                _previous_subject="_subject",
                **{f"{rule.id}.then": pl.col(f"{rule.id}.now")},
            )
            judged = beside(judged, previous, [*PATIENT, "_previous_subject"])
    return judged


def with_answers(judged: pl.DataFrame, protocol: Protocol, gatherer: Gatherer) -> pl.DataFrame:
    """Each response rule's triggers that are unanswered: `overdue`, `waiting`, `due_at`."""
    for rule in protocol.rules:
        if isinstance(rule, ResponseRule):
            found = _unanswered(judged, rule, gatherer)
            judged = beside(judged, found, ["_idx"]).with_columns(
                pl.col(f"{rule.id}.overdue", f"{rule.id}.waiting").fill_null(0)
            )
    return judged


def _unanswered(judged: pl.DataFrame, rule: ResponseRule, gatherer: Gatherer) -> pl.DataFrame:
    trigger, then = rule.trigger, rule.then
    asked = Part(rule.id, trigger.of, trigger.by, trigger.window, trigger.among, trigger.where)
    answer = Part(f"{rule.id}.then", then.of, then.by, None, None, then.where)
    triggers = _tested(judged, asked, gatherer).rename({"_at": "_asked"})
    asking = judged.join(triggers, on="_idx", how="semi").with_columns(
        pl.lit(None, INSTANT).alias(f"{answer.name}.start"),
        pl.lit(None, INSTANT).alias(f"{answer.name}.end"),
        pl.lit(value=False).alias(f"{answer.name}.unknown"),
    )
    answers = _tested(asking, answer, gatherer).with_columns(_answered="_at")
    pairs = triggers.sort("_asked").join_asof(
        answers.sort("_at"), left_on="_asked", right_on="_at", by="_idx", strategy="forward",
        allow_exact_matches=False, check_sortedness=False,
    )  # fmt: skip
    limits = judged.select("_idx", "_zone", _cutoff=pl.col(f"_cutoff.{then.of}"))
    limit = window_end(pl.col("_asked"), then.within, 1, gatherer.facts.zone_names)
    open_ = pl.col("_answered").is_null() | (pl.col("_answered") > pl.col("_limit"))
    late = ~(pl.col("_limit") > pl.col("_cutoff")).fill_null(value=False)
    return (
        pairs.join(limits, on="_idx")
        .with_columns(_limit=limit)
        .with_columns(_open=open_)
        .group_by("_idx")
        .agg(
            (pl.col("_open") & late).sum().alias(f"{rule.id}.overdue"),
            (pl.col("_open") & ~late).sum().alias(f"{rule.id}.waiting"),
            pl.col("_limit").filter(pl.col("_open") & ~late).min().alias(f"{rule.id}.due_at"),
        )
    )


def _tested(judged: pl.DataFrame, part: Part, gatherer: Gatherer) -> pl.DataFrame:
    """`_idx` and `_at` of a part's candidates for which `where` is true."""
    rows = gatherer.rows(judged, part.of, part.by, [part], passing=True)
    rows = rows.filter(gatherer.candidate(part))
    if part.where is not None:
        test = gatherer.compile(part.of, part.where).polars.cast(pl.Boolean)
        rows = rows.filter(test.fill_null(value=False))
    return rows.select("_idx", "_at").collect()
