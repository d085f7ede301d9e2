"""`value`: an expression's value within bounds, in a list, or equal to one."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from protocols.context import Judged, limit_words
from protocols.expressions import SLACK
from protocols.kinds import MET, NOT_MET, Asks, Outcome, status
from protocols.linked import Part
from protocols.model import Missing, Scalar, ValueRule
from protocols.sentences import number_words, sentence
from protocols.words import expression_words, unit_of
from protocols.words import number_words as plain_number

KIND = "value"


def parts(rule: ValueRule) -> Sequence[Part]:
    """A value rests on the judged row alone."""
    return ()


def verdict(rule: ValueRule, judged: Judged) -> Outcome:
    """null -> `missing` (default not_evaluable); else met or not_met. Observed: the value."""
    compiled = judged.compile(rule.expr)
    value = compiled.polars
    good, allowed = _good(rule, value, compiled.type)
    numeric = compiled.type in ("number", "bool")
    observed = value.cast(pl.Float64) if numeric else pl.lit(None, pl.Float64)
    shown = {
        "number": number_words(value) if compiled.type == "number" else value,
        "bool": pl.when(value).then(pl.lit("yes")).otherwise(pl.lit("no")),
        "text": value,
    }.get(compiled.type, value.cast(pl.String))
    return Outcome(
        status=pl.when(value.is_null())
        .then(status(missing(rule)))
        .when(good)
        .then(status(MET))
        .otherwise(status(NOT_MET)),
        observed=observed,
        reason=pl.when(value.is_null())
        .then(pl.lit(f"{rule.title}: not charted"))
        .otherwise(
            sentence("{}: {}{}; {}", pl.lit(expression_words(rule.expr)), shown.cast(pl.String),
                      pl.lit(unit_of(rule.expr)), pl.lit(allowed))
        ),
        due_at=pl.lit(None),
    )  # fmt: skip


def asks(rule: ValueRule) -> Asks:
    """The value, and what it must be."""
    unit = unit_of(rule.expr)
    limits = {}
    if rule.min is not None:
        limits["min"] = f"at least {plain_number(rule.min)}{unit}"
    if rule.max is not None:
        limits["max"] = f"at most {plain_number(rule.max)}{unit}"
    if rule.in_ is not None:
        limits["in"] = f"one of {', '.join(str(item) for item in rule.in_)}"
    if rule.is_ is not None:
        said = ("no", "yes")[rule.is_] if isinstance(rule.is_, bool) else str(rule.is_)
        limits["is"] = f"must be {said}"
    return Asks({"expr": expression_words(rule.expr)}, limits)


def missing(rule: ValueRule) -> Missing:
    """A null value is not evaluable unless the rule says otherwise."""
    return rule.missing or "not_evaluable"


def _good(rule: ValueRule, value: pl.Expr, kind: str) -> tuple[pl.Expr, str]:
    if rule.in_ is not None:
        tests = [_same(value, item, kind) for item in rule.in_]
        listed = ", ".join(str(item) for item in rule.in_)
        return pl.any_horizontal(tests), f"allowed: {listed}"
    if rule.is_ is not None:
        wanted = ("no", "yes")[rule.is_] if isinstance(rule.is_, bool) else rule.is_
        return _same(value, rule.is_, kind), f"must be {wanted}"
    tests, words = [], []
    if rule.min is not None:
        tests.append(value >= rule.min - SLACK)
        words.append(f"at least {limit_words(rule.min)}{unit_of(rule.expr)}")
    if rule.max is not None:
        tests.append(value <= rule.max + SLACK)
        words.append(f"at most {limit_words(rule.max)}{unit_of(rule.expr)}")
    return pl.all_horizontal(tests), f"{' and '.join(words)} required"


def _same(value: pl.Expr, item: Scalar, kind: str) -> pl.Expr:
    if kind == "number":
        return (value - pl.lit(float(item))).abs() <= SLACK
    return value == pl.lit(item)
