"""Expressions, times and limits as a medical director would say them.

Names lose their underscores, units stand behind the numbers they belong to, and the usual moments
of a session have names ("the start" for started_at).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import sqlglot
from sqlglot import expressions as nodes
from sqlglot.errors import SqlglotError

from protocols.durations import Bound, Length, Span
from protocols.model import Linked, Then

FEEDS: Mapping[str, str] = {
    "vitals": "vital signs", "outcomes": "outcome scores", "events": "adverse events",
    "sessions": "other completed sessions", "dispenses": "dispensed prescriptions",
}  # fmt: skip
_MOMENTS: Mapping[str, str] = {
    "started_at": "the start", "ended_at": "the end of administration",
    "discharged_at": "discharge", "arrived_at": "arrival", "scheduled_at": "the scheduled time",
    "ready_at": "being found fit to leave", "monitoring_ended_at": "the end of monitoring",
    "course_started_at": "the start of the course", "first_dose_at": "the first dose",
    "last_dose_at": "the last dose", "previous_started_at": "the previous session's start",
    "next_started_at": "the next session's start", "dispensed_at": "the dispense",
    "previous_dispensed_at": "the previous dispense", "administered_at": "the scoring",
    "local_date": "the day itself", "recorded_at": "being charted",
}  # fmt: skip
_UNITS: Mapping[str, str] = {
    "_mg_per_kg": "mg/kg", "_mmhg": "mmHg", "_bpm": "per minute", "_pct": "%", "_mg": "mg",
    "_kg": "kg", "_cm": "cm", "_usd": "US dollars", "_minutes": "min", "_years": "years",
}  # fmt: skip
_SPELT: Mapping[str, str] = {
    "spo2": "SpO2", "cadss": "CADSS", "moaas": "MOAA/S", "rems": "REMS", "bls": "BLS",
    "acls": "ACLS", "dea": "DEA", "id": "number",
}  # fmt: skip
_SIGNS: Mapping[type[nodes.Expr], str] = {
    nodes.EQ: "", nodes.NEQ: "other than", nodes.LT: "below", nodes.LTE: "at most",
    nodes.GT: "above", nodes.GTE: "at least",
}  # fmt: skip
_WHEN: Mapping[type[nodes.Expr], str] = {
    nodes.LT: "before", nodes.LTE: "no later than", nodes.GT: "after",
    nodes.GTE: "no earlier than",
}  # fmt: skip
_ARITHMETIC: Mapping[type[nodes.Expr], str] = {
    nodes.Add: "plus", nodes.Sub: "minus", nodes.Mul: "times", nodes.Div: "divided by",
}  # fmt: skip


def feed_words(feed: str) -> str:
    """Rows of a feed: "vital signs"."""
    return FEEDS.get(feed, feed)


def name_words(name: str) -> str:
    """A column without its unit: systolic_mmhg -> "systolic", this.x -> "the subject's x"."""
    owner, _, column = name.rpartition(".")
    whose = {"": "", "this": "the subject's ", "staff": "that person's "}.get(
        owner, f"the {owner}'s "
    )
    if not owner and column in _MOMENTS:
        return _MOMENTS[column]
    if owner == "this" and column in _MOMENTS:
        return whose + _MOMENTS[column].removeprefix("the ")
    unit = next((suffix for suffix in _UNITS if column.endswith(suffix)), "")
    plain = f"{column.removesuffix(unit)}{' per kg' if unit == '_mg_per_kg' else ''}"
    return whose + " ".join(_SPELT.get(part, part) for part in plain.split("_"))


def unit_of(text: str) -> str:
    """The unit of an expression that is a bare column, with a blank before it; else nothing."""
    name = text.strip()
    if not name.replace(".", "_").isidentifier():
        return ""
    found = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), None)
    return f" {found}" if found else ""


def number_words(value: float) -> str:
    """A number as it is written, without needless decimals."""
    return f"{value:g}" if abs(value) < 1e6 else f"{value:,.0f}"


def length_words(length: Length) -> str:
    """A duration; calendar days are called so."""
    if length.calendar_days is not None:
        return f"{length.calendar_days} calendar {_days(length.calendar_days)}"
    return length.words


def bound_words(bound: Bound) -> str:
    """An end of a window: "30 min before the start"."""
    anchor = name_words(bound.anchor)
    if not bound.step.microseconds and bound.step.calendar_days is None:
        return anchor
    if bound.step.calendar_days == 0:
        return f"the day of {anchor}"
    return f"{length_words(bound.step)} {'before' if bound.sign < 0 else 'after'} {anchor}"


def window_words(window: Span | None) -> str:
    """When a row may lie: "from 30 min before the start to the start"."""
    if window is None or (window.start is None and window.end is None):
        return "at any time"
    if window.start is None:
        assert window.end is not None
        return f"up to {bound_words(window.end)}"
    if window.end is None:
        return f"from {bound_words(window.start)} on"
    return f"from {bound_words(window.start)} to {bound_words(window.end)}"


def link_words(part: Linked | Then) -> dict[str, str]:
    """Whose rows are looked at, where that is not the usual: by itself a part of a sentence."""
    return {} if part.link is None else {"link": f"of the same {part.link}"}


@lru_cache(maxsize=4_096)
def expression_words(text: str) -> str:
    """An expression as it may be read aloud, on one line."""
    try:
        parsed = sqlglot.parse_one(f"SELECT ({text}\n)", read="duckdb")
    except (SqlglotError, RecursionError):
        return " ".join(text.split())
    return _said(parsed.expressions[0].this)


def _said(node: nodes.Expr) -> str:  # noqa: C901  (one line a kind of node)
    match node:
        case nodes.Column():
            return name_words(".".join(part.name for part in node.parts))
        case nodes.Literal() | nodes.Boolean() | nodes.Null():
            return str(node.name or node.sql()).lower() if not node.is_string else node.name
        case nodes.Paren():
            return f"({_said(node.this)})"
        case nodes.And():
            return f"{_said(node.left)} and {_said(node.right)}"
        case nodes.Or():
            return f"{_said(node.left)} or {_said(node.right)}"
        case nodes.Not():
            return _denied(node.this)
        case nodes.Is():
            return _state(node, denied=False)
        case nodes.Between():
            low, high = _said(node.args["low"]), _valued(node.args["high"], node.this)
            return f"{_said(node.this)} between {low} and {high}"
        case nodes.In():
            listed = " or ".join(_said(item) for item in node.expressions)
            return f"{_said(node.this)} {listed}"
        case nodes.Like():
            like = "not like" if node.args.get("negate") else "like"
            return f"{_said(node.this)} {like} {_said(node.expression)}"
        case nodes.Neg():
            return f"-{_said(node.this)}"
        case nodes.Interval():
            return f"{_said(node.this)} {str(node.args['unit']).lower()}s".replace("ss", "s")
        case nodes.Cast():
            return _said(node.this)
        case nodes.Case():
            cases = [f"{_said(b.args['true'])} if {_said(b.this)}" for b in node.args["ifs"]]
            default = node.args.get("default")
            return ", ".join([*cases, *([f"else {_said(default)}"] if default else [])])
        case nodes.Coalesce():
            return ", or without it ".join(_said(i) for i in (node.this, *node.expressions))
        case nodes.Least() | nodes.Greatest():
            which = "smallest" if isinstance(node, nodes.Least) else "largest"
            return f"the {which} of {', '.join(_said(i) for i in (node.this, *node.expressions))}"
        case nodes.Abs():
            return f"the size of {_said(node.this)}"
        case nodes.Round():
            digits = node.args.get("decimals")
            return f"{_said(node.this)} rounded to {_said(digits) if digits else 0} decimals"
    return _two_sides(node)


def _two_sides(node: nodes.Expr) -> str:
    left, right = node.args["this"], node.args["expression"]
    if type(node) in _SIGNS:
        signs = _WHEN if type(node) in _WHEN and _names_time(left, right) else _SIGNS
        sign = f"{signs[type(node)]} ".lstrip()
        unit = _unit(right) if isinstance(left, nodes.Literal) else ""
        return f"{_said(left)}{unit} {sign}{_valued(right, left)}"
    return f"{_said(left)} {_ARITHMETIC[type(node)]} {_said(right)}"


def _names_time(*sides: nodes.Expr) -> bool:
    """Whether days or instants are compared: what names one, or is written as one."""
    columns = [column.name for side in sides for column in side.find_all(nodes.Column)]
    return any(isinstance(side, nodes.Cast) for side in sides) or (
        bool(columns)
        and all(name.endswith(("_on", "_at", "_date", "_from", "_to")) for name in columns)
        and not any(isinstance(side, nodes.Literal | nodes.Sub) for side in sides)
    )


def _denied(node: nodes.Expr) -> str:
    if isinstance(node, nodes.Is):
        return _state(node, denied=True)
    if isinstance(node, nodes.In):
        return f"{_said(node.this)} neither {' nor '.join(_said(i) for i in node.expressions)}"
    return f"not ({_said(node.this if isinstance(node, nodes.Paren) else node)})"


def _state(node: nodes.Is, *, denied: bool) -> str:
    if isinstance(node.expression, nodes.Null):
        return f"{_said(node.this)} {'charted' if denied else 'not charted'}"
    sure = "not surely " if denied else ""
    return f"{_said(node.this)} {sure}{'yes' if node.expression.this else 'no'}"


def _valued(value: nodes.Expr, beside: nodes.Expr) -> str:
    """A value with the unit of the column it is compared with."""
    number = value.this if isinstance(value, nodes.Neg) else value
    plain = isinstance(number, nodes.Literal) and not number.is_string
    return _said(value) + (_unit(beside) if plain else "")


def _unit(node: nodes.Expr) -> str:
    return unit_of(node.name) if isinstance(node, nodes.Column) else ""


def _days(number: int) -> str:
    return "day" if abs(number) == 1 else "days"
