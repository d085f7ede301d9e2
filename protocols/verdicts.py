"""One rule's verdicts on the rows it judges, and the words of what is open.

Verdicts are narrow (numbers and an enum); only what is neither met nor excluded carries words.
"""

from __future__ import annotations

import re

import polars as pl

from protocols.context import Judged
from protocols.expressions import compile_expression
from protocols.facts import Facts
from protocols.kinds import EXCLUDED, MET, NOT_EVALUABLE, NOT_MET, PENDING, STATUS, Outcome, kinds
from protocols.kinds import status as is_status
from protocols.model import Protocol, ResponseRule, Rule
from protocols.scope import DOSE, judged_columns, measure_types
from protocols.sentences import sentence
from protocols.times import INSTANT

VERDICTS = pl.Schema(
    {"subject_no": pl.UInt32(), "rule_no": pl.UInt16(), "status": STATUS, "observed": pl.Float64()}
)
WORDS = pl.Schema(
    {"subject_no": pl.UInt32(), "rule_no": pl.UInt16(), "reason": pl.String(), "due_at": INSTANT}
)


def verdict(
    rule: Rule, number: int, judged: pl.DataFrame, protocol: Protocol, facts: Facts
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """A rule's verdicts, and the words of what is neither met nor excluded, if anything is."""
    columns = judged_columns(protocol.judges, measure_types(protocol))
    context = Judged(protocol.judges, columns, facts.zone_names)
    outcome = kinds()[rule.kind].verdict(rule, context)
    judged = _with_quarantine(judged, outcome, facts)
    when = compile_expression(rule.when, columns).polars if rule.when else pl.lit(value=True)
    excluded = ~when.cast(pl.Boolean).fill_null(value=False) | (outcome.status == EXCLUDED)
    missing = _never_delivered(rule, protocol)
    undelivered = [pl.col(f"_cutoff.{feed}").is_null() for feed in missing]
    waits = _waiting_measures(rule, protocol)
    waiting = [_is_waiting(name, protocol) for name in waits]
    wanting = (
        (outcome.status == NOT_MET) & outcome.for_want.fill_null(value=False) & pl.col("_lost")
        if outcome.for_want is not None
        else pl.lit(value=False)
    )
    any_undelivered = pl.any_horizontal(undelivered or [pl.lit(value=False)])
    any_waiting = pl.any_horizontal(waiting or [pl.lit(value=False)])
    found = judged.select(
        "subject_no", *_kept(judged, outcome),
        rule_no=pl.lit(number, pl.UInt16),
        status=pl.when(excluded).then(is_status(EXCLUDED))
        .when(any_undelivered).then(is_status(NOT_EVALUABLE))
        .when(any_waiting).then(is_status(PENDING))
        .when(wanting).then(is_status(NOT_EVALUABLE))
        .otherwise(outcome.status),
        observed=pl.when(~excluded & ~any_undelivered & ~any_waiting)
        .then(outcome.observed).cast(pl.Float64),
        _undelivered=any_undelivered, _waiting=any_waiting, _wanting=wanting,
    )  # fmt: skip
    verdicts = found.select(list(VERDICTS))
    open_ = found.filter(~pl.col("status").is_in([MET, EXCLUDED]))
    ends = [pl.col(f"measure {name}.end") for name in waits]
    due = (
        pl.when(pl.col("_waiting")).then(pl.max_horizontal(ends))
        if ends
        else pl.when(pl.lit(value=False)).then(None)
    )
    due_at = due.otherwise(outcome.due_at).cast(INSTANT)
    if open_.is_empty():
        return verdicts, None
    words = open_.select(
        "subject_no", "rule_no",
        reason=pl.when(pl.col("_undelivered"))
        .then(pl.lit(f"the clinic has never delivered {' or '.join(missing) or 'a feed'}"))
        .when(pl.col("_waiting"))
        .then(pl.lit("rows that this rests on may still be delivered"))
        .when(pl.col("_wanting"))
        .then(pl.lit(f"a row of {outcome.of} that names it is in quarantine"))
        .when(pl.col("status") == PENDING)
        .then(sentence("not decided before {}", context.moment(due_at)))
        .otherwise(outcome.reason),
        due_at=pl.when(pl.col("status") == PENDING).then(due_at),
    )  # fmt: skip
    return verdicts, words


def _kept(judged: pl.DataFrame, outcome: Outcome) -> list[str]:
    """Columns that the words may need, so that those are written only for what is open."""
    names = {
        *outcome.reason.meta.root_names(), *outcome.due_at.meta.root_names(),
        *(name for name in judged.columns if name.startswith("measure ") and name.endswith(".end")),
        "_zone",
    }  # fmt: skip
    return sorted(name for name in names if name in judged.columns and name != "subject_no")


def _with_quarantine(judged: pl.DataFrame, outcome: Outcome, facts: Facts) -> pl.DataFrame:
    """`_lost`: a quarantined row of the feed names the same session, or patient."""
    key = f"{outcome.link}_id"
    lost = facts.lost(outcome.of, key) if outcome.of is not None else None
    if lost is None:
        return judged.with_columns(_lost=pl.lit(value=False))
    return judged.join(lost, on=["clinic_id", key], how="left", maintain_order="left").with_columns(
        pl.col("_lost").fill_null(value=False)
    )


def _texts(rule: Rule, *, when: bool) -> list[str]:
    texts: list[str | None] = [rule.when if when else None]
    parts: list[object] = [rule]
    if isinstance(rule, ResponseRule):
        parts = [rule.trigger, rule.then]
    for part in parts:
        texts += [getattr(part, name, None) for name in ("expr", "from_", "to", "among", "where")]
        window = getattr(part, "window", None)
        if window is not None:
            texts += [bound.anchor for bound in (window.start, window.end) if bound is not None]
    return [text for text in texts if text is not None]


def _named(rule: Rule, *, when: bool) -> set[str]:
    """Names that a rule's expressions and anchors use; in a feed row's scope those after `this.`"""
    named: set[str] = set()
    linked = rule.kind in ("occurrence", "cadence", "response")
    for text in _texts(rule, when=when):
        plain = re.sub(r"'[^']*'", "", text)
        own = not linked or text == rule.when or re.fullmatch(r"\w+", text)
        pattern = r"(?<![\w.])([A-Za-z_]\w*)" if own else r"\bthis\.([A-Za-z_]\w*)"
        named |= set(re.findall(pattern, plain))
    return named


def _never_delivered(rule: Rule, protocol: Protocol) -> list[str]:
    """Feeds that a verdict rests on."""
    names = _named(rule, when=True)
    feeds = [getattr(rule, "of", None)]
    if isinstance(rule, ResponseRule):
        feeds += [rule.trigger.of, rule.then.of]
    feeds += [measure.of for name, measure in protocol.measures.items() if name in names]
    if protocol.judges == "sessions" and names & set(DOSE):
        feeds.append("doses")
    return list(dict.fromkeys(feed for feed in feeds if feed is not None))


def _waiting_measures(rule: Rule, protocol: Protocol) -> list[str]:
    names = _named(rule, when=False)
    return [name for name in protocol.measures if name in names]


def _is_waiting(name: str, protocol: Protocol) -> pl.Expr:
    """A measure that found no row though its window ends after the feed's cut-off."""
    part = f"measure {name}"
    late = pl.col(f"{part}.end") > pl.col(f"_cutoff.{protocol.measures[name].of}")
    found_none = (pl.col(f"{part}.n") == 0) & ~pl.col(f"{part}.unknown")
    return (found_none & late).fill_null(value=False)
