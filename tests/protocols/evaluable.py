"""Which rules can come out as not evaluable for want of a value: what their expressions and
anchors name may be empty, unless the rule's `when` already asks for it."""

from __future__ import annotations

from functools import reduce

import sqlglot
from sqlglot import expressions as nodes

from checks.contract import contract
from protocols.durations import Span
from protocols.kinds import kinds
from protocols.model import (
    CadenceRule,
    ChangeRule,
    ElapsedRule,
    OccurrenceRule,
    Protocol,
    RateRule,
    ResponseRule,
    Rule,
    ValueRule,
)  # fmt: skip

_STARTED = frozenset({
    "started_at", "course", "course_index", "course_started_at", "course_day", "course_week",
    "lifetime_index",
})  # fmt: skip
_TOGETHER = {
    "dose_mg": frozenset({"first_dose_at", "started_at"}),
    "dose_mg_per_kg": frozenset({"dose_mg", "weight_kg", "first_dose_at", "started_at"}),
    "previous_started_at": _STARTED,
    "previous_local_date": frozenset({"previous_dispensed_at"}),
}
_COMPARED = (
    nodes.EQ, nodes.NEQ, nodes.LT, nodes.LTE, nodes.GT, nodes.GTE, nodes.Between, nodes.In,
    nodes.Like,
)  # fmt: skip


def can_be_not_evaluable(rule: Rule, protocol: Protocol) -> bool:
    """Whether some judged row, all of it delivered, gives this rule no verdict."""
    sure = _sure(protocol) | (_asked(rule.when, protocol) if rule.when else frozenset())
    without = kinds()[rule.kind].missing(rule) == "not_evaluable"
    match rule:
        case ValueRule():
            return without and _nullable(_parsed(rule.expr), sure)
        case ChangeRule():
            return without and _nullable(_parsed(rule.expr), sure | _STARTED)
        case ElapsedRule():
            return rule.from_ not in sure or (without and rule.to not in sure)
        case OccurrenceRule() | CadenceRule():
            return without or not _anchors(rule.window) <= sure
        case RateRule():
            return protocol.judges == "sessions" and "started_at" not in sure
        case ResponseRule():
            return not _anchors(rule.trigger.window) <= sure


def _sure(protocol: Protocol) -> frozenset[str]:
    """Columns of the judged row that are never empty."""
    held = contract(protocol.judges)
    sure = {column.name for column in held.columns if column.required} | {"local_date"}
    sure |= {"clinic_id", "dose_count"} | (
        {"amount_mg"} if protocol.judges == "dispenses" else set()
    )
    for name, measure in protocol.measures.items():
        if measure.take == "count" and _anchors(measure.window) <= sure:
            sure.add(name)
    return frozenset(sure)


def _asked(when: str, protocol: Protocol) -> frozenset[str]:
    """Columns that are not empty where the condition is true."""
    named = _asked_by(_parsed(when))
    for name in named & protocol.measures.keys():
        named |= _anchors(protocol.measures[name].window)
    for column, others in _TOGETHER.items():
        named |= others if column in named else frozenset()
    return named | (_STARTED if named & _STARTED else frozenset())


def _asked_by(node: nodes.Expr) -> frozenset[str]:
    match node:
        case nodes.Paren():
            return _asked_by(node.this)
        case nodes.And():
            return _asked_by(node.left) | _asked_by(node.right)
        case nodes.Or():
            return _asked_by(node.left) & _asked_by(node.right)
        case nodes.Not() if isinstance(node.this, nodes.Is):
            tested = node.this
            return _names(tested) if isinstance(tested.expression, nodes.Null) else frozenset()
        case nodes.Not():
            return _asked_by(node.this) if isinstance(node.this, _COMPARED) else frozenset()
        case nodes.Column():
            return _names(node)
        case nodes.Is() if not isinstance(node.expression, nodes.Null):
            return _names(node)
    if isinstance(node, _COMPARED) and not node.find(nodes.Coalesce, nodes.Case, nodes.Is):
        return _names(node)
    return frozenset()


def _nullable(node: nodes.Expr, sure: frozenset[str]) -> bool:
    match node:
        case nodes.Is() | nodes.Literal() | nodes.Boolean() | nodes.Interval() | nodes.Cast():
            return False
        case nodes.Null():
            return True
        case nodes.Column():
            return not _names(node) <= sure
        case nodes.Coalesce() | nodes.Least() | nodes.Greatest():
            return all(_nullable(one, sure) for one in (node.this, *node.expressions))
        case nodes.Case():
            values = [branch.args["true"] for branch in node.args["ifs"]]
            default = node.args.get("default") or nodes.Null()
            return any(_nullable(one, sure) for one in [*values, default])
    return any(_nullable(one, sure) for one in node.iter_expressions())


def _names(node: nodes.Expr) -> frozenset[str]:
    return frozenset(
        ".".join(part.name for part in column.parts) for column in node.find_all(nodes.Column)
    )


def _anchors(window: Span | None) -> frozenset[str]:
    bounds = (window.start, window.end) if window else ()
    return reduce(lambda found, one: found | {one.anchor} if one else found, bounds, frozenset())


def _parsed(text: str) -> nodes.Expr:
    found = sqlglot.parse_one(f"SELECT ({text}\n)", read="duckdb").expressions[0]
    assert isinstance(found, nodes.Expr)
    return found.this
