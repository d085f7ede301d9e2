"""The verdicts of a protocol's rules on the rows it judges, and the words of what is open.

Verdicts are narrow (numbers and an enum); only what is neither met nor excluded carries words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from protocols.beside import beside
from protocols.context import Judged
from protocols.facts import Facts
from protocols.kinds import EXCLUDED, MET, NOT_EVALUABLE, NOT_MET, PENDING, STATUS, Outcome, kinds
from protocols.kinds import status as is_status
from protocols.model import Protocol, ResponseRule, Rule
from protocols.parsing import parsed
from protocols.scope import DOSE, judged_columns, measure_types
from protocols.sentences import sentence
from protocols.times import INSTANT

VERDICTS = pl.Schema(
    {"subject_no": pl.UInt32(), "rule_no": pl.UInt16(), "status": STATUS, "observed": pl.Float64()}
)
WORDS = pl.Schema(
    {"subject_no": pl.UInt32(), "rule_no": pl.UInt16(), "reason": pl.String(), "due_at": INSTANT}
)

REMEMBERED = 256


@dataclass(frozen=True)
class _Ruling:
    """A rule's verdict as expressions over judged rows; in `reason` and `due_at`, `_status` is the
    verdict's."""

    rule_no: int
    outcome: Outcome
    status: pl.Expr
    observed: pl.Expr
    reason: pl.Expr
    due_at: pl.Expr

    def named(self, what: str) -> str:
        """A column of its own among those of all rules."""
        return f"{self.rule_no} {what}"


def verdicts_of(
    protocol: Protocol, first: int, judged: pl.DataFrame, facts: Facts
) -> tuple[list[pl.DataFrame], list[pl.DataFrame]]:
    """The verdicts of each of a protocol's rules, numbered from `first` on, and the words of what
    is neither met nor excluded."""
    rulings = _rulings(protocol, first, tuple(facts.zone_names))
    judged = _with_lost(judged, rulings, facts)
    told = _told(judged, rulings)
    verdicts, words = [], []
    for ruling in rulings:
        status, number = ruling.named("status"), pl.lit(ruling.rule_no, pl.UInt16)
        verdicts.append(
            told.select(
                "subject_no", rule_no=number, status=status, observed=ruling.named("observed")
            )
        )
        is_open = told[ruling.named("open")]
        if is_open.any():
            rows = judged.select(_kept(judged, ruling)).with_columns(_status=told[status])
            words.append(
                rows.filter(is_open).select(
                    "subject_no", rule_no=number, reason=ruling.reason, due_at=ruling.due_at
                )
            )
    return verdicts, words


def _told(judged: pl.DataFrame, rulings: Sequence[_Ruling]) -> pl.DataFrame:
    """Of each rule the status, the observed value, and whether it is neither met nor excluded."""
    statuses = [ruling.named("status") for ruling in rulings]
    is_open = ~pl.col(statuses).is_in([MET, EXCLUDED])
    return (
        judged.lazy()
        .select(
            "subject_no",
            *(ruling.status.alias(ruling.named("status")) for ruling in rulings),
            *(ruling.observed.alias(ruling.named("observed")) for ruling in rulings),
        )
        .with_columns(is_open.name.replace("status$", "open"))
        .collect()
    )


@lru_cache(maxsize=REMEMBERED)
def _rulings(protocol: Protocol, first: int, zones: tuple[str, ...]) -> tuple[_Ruling, ...]:
    """Of each rule; remembered, as writing expressions takes longer than judging a few rows."""
    columns = judged_columns(protocol.judges, measure_types(protocol))
    context = Judged(protocol.judges, columns, list(zones))
    return tuple(
        _ruling(rule, first + at, protocol, context) for at, rule in enumerate(protocol.rules)
    )


def _ruling(rule: Rule, number: int, protocol: Protocol, context: Judged) -> _Ruling:
    outcome = kinds()[rule.kind].verdict(rule, context)
    when = context.compile(rule.when).polars if rule.when else pl.lit(value=True)
    excluded = ~when.cast(pl.Boolean).fill_null(value=False) | (outcome.status == EXCLUDED)
    missing = _never_delivered(rule, protocol)
    awaited = _waiting_measures(rule, protocol)
    undelivered = _any(pl.col(f"_cutoff.{feed}").is_null() for feed in missing)
    waiting = _any(_is_waiting(name, protocol) for name in awaited)
    wanting = pl.lit(value=False)
    if outcome.for_want is not None:
        lost = pl.col(_lost(outcome)) if outcome.of is not None else pl.lit(value=False)
        wanting = (outcome.status == NOT_MET) & outcome.for_want.fill_null(value=False) & lost
    due_at = outcome.due_at.cast(INSTANT)
    if awaited:
        ends = pl.max_horizontal(f"measure {name}.end" for name in awaited)
        due_at = pl.when(waiting).then(ends).otherwise(due_at)
    pending = pl.col("_status") == PENDING
    return _Ruling(
        number,
        outcome,
        status=pl.when(excluded).then(is_status(EXCLUDED))
        .when(undelivered).then(is_status(NOT_EVALUABLE))
        .when(waiting).then(is_status(PENDING))
        .when(wanting).then(is_status(NOT_EVALUABLE))
        .otherwise(outcome.status),
        observed=pl.when(~excluded & ~undelivered & ~waiting)
        .then(outcome.observed).cast(pl.Float64),
        reason=pl.when(undelivered)
        .then(pl.lit(f"the clinic has never delivered {' or '.join(missing) or 'a feed'}"))
        .when(waiting)
        .then(pl.lit("rows that this rests on may still be delivered"))
        .when(wanting)
        .then(pl.lit(f"a row of {outcome.of} that names it is in quarantine"))
        .when(pending)
        .then(sentence("not decided before {}", context.moment(due_at)))
        .otherwise(outcome.reason),
        due_at=pl.when(pending).then(due_at),
    )  # fmt: skip


def _any(tests: Iterable[pl.Expr]) -> pl.Expr:
    return pl.any_horizontal([*tests] or [pl.lit(value=False)])


def _kept(judged: pl.DataFrame, ruling: _Ruling) -> list[str]:
    """Columns that the words need, so that only those are looked at."""
    names = {"subject_no", *ruling.reason.meta.root_names(), *ruling.due_at.meta.root_names()}
    return sorted(names.intersection(judged.columns))


def _lost(outcome: Outcome) -> str:
    return f"_lost.{outcome.of}.{outcome.link}"


def _with_lost(judged: pl.DataFrame, rulings: Iterable[_Ruling], facts: Facts) -> pl.DataFrame:
    """`_lost.<feed>.<link>`: whether a quarantined row of the feed names the same session, or
    patient."""
    asked = {
        _lost(outcome): (outcome.of, f"{outcome.link}_id")
        for outcome in (ruling.outcome for ruling in rulings)
        if outcome.of is not None
    }
    for name, (feed, key) in asked.items():
        lost = facts.lost(feed, key)
        if lost is None:
            judged = judged.with_columns(pl.lit(value=False).alias(name))
        else:
            found = beside(judged, lost.rename({"_lost": name}), ["clinic_id", key])
            judged = found.with_columns(pl.col(name).fill_null(value=False))
    return judged


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
        names = parsed(text)[1]
        own = not linked or text == rule.when or re.fullmatch(r"\w+", text)
        named |= {name for name in names if own} | {
            name.removeprefix("this.") for name in names if name.startswith("this.")
        }
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
