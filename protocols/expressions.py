"""SQL expressions of protocols: parsed, held to an allow-list, typed, and turned into Polars.

The meaning is DuckDB's: null behaves as in SQL, `/` gives a fraction. A number within 1e-9 of what
it is compared with lies on it.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, reduce
from typing import Literal, NoReturn

import polars as pl
from sqlglot import expressions as nodes

from protocols.parsing import (
    ALLOWED_WORDS,
    REMEMBERED,
    ExpressionError,
    filled,
    name_of,
    parsed,
    shortened,
    too_deep,
)

Type = Literal["text", "number", "bool", "date", "timestamp", "interval", "null"]
Typed = tuple[pl.Expr, Type]

SLACK = 1e-9
MOST_STEPS = 100
MOST_DIGITS = 15
_INTERVALS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400, "WEEK": 604_800}


@dataclass(frozen=True)
class Expression:
    """A checked expression: its text, the columns it names, its type, and itself in Polars."""

    text: str
    names: frozenset[str]
    type: Type
    polars: pl.Expr


def compile_expression(text: str, columns: Mapping[str, Type]) -> Expression:
    """Check an expression against the columns that exist and translate it.

    Raises ExpressionError for what is no single expression, a node that is not allowed, a name that
    does not exist (with the nearest), or types that do not go together.
    """
    tree, names = parsed(text)
    if all(name in columns for name in names):
        return _translated(text, tuple((name, columns[name]) for name in names))
    return _translate(text, tree, columns)


@lru_cache(maxsize=REMEMBERED)
def _translated(text: str, columns: tuple[tuple[str, Type], ...]) -> Expression:
    """The same for the same types of what it names: protocols say many things more than once."""
    return _translate(text, parsed(text)[0], dict(columns))


def _translate(text: str, tree: nodes.Expr, columns: Mapping[str, Type]) -> Expression:
    compiler = _Compiler(columns)
    expression, kind = compiler.compile(tree)
    return Expression(text, frozenset(compiler.names), kind, expression)


class _Compiler:
    def __init__(self, columns: Mapping[str, Type]) -> None:
        self._columns = columns
        self._steps = 0
        self.names: set[str] = set()

    def compile(self, node: nodes.Expr) -> Typed:
        if type(node) not in _ALLOWED or set(filled(node)) - _ALLOWED[type(node)]:
            _refuse(node)
        if self._steps == MOST_STEPS:
            raise too_deep()
        self._steps += 1
        typed: Typed = getattr(self, f"_{type(node).__name__.lower()}")(node)
        self._steps -= 1
        return typed

    # leaves

    def _column(self, node: nodes.Column) -> Typed:
        name = name_of(node)
        if name not in self._columns:
            near = difflib.get_close_matches(name, self._columns, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ExpressionError(f"names {shortened(name)}, which is no column here{hint}")
        self.names.add(name)
        kind = self._columns[name]
        column = pl.col(name)
        return (column.cast(pl.Float64) if kind == "number" else column), kind

    def _literal(self, node: nodes.Literal) -> Typed:
        if node.is_string:
            return pl.lit(node.name, pl.String), "text"
        number = float(node.name) if node.name.isascii() else math.inf
        if not math.isfinite(number):
            raise ExpressionError("has a number that cannot be read; write it plainly")
        return pl.lit(number, pl.Float64), "number"

    def _boolean(self, node: nodes.Boolean) -> Typed:
        return pl.lit(bool(node.this), pl.Boolean), "bool"

    def _null(self, node: nodes.Null) -> Typed:
        return pl.lit(None), "null"

    def _paren(self, node: nodes.Paren) -> Typed:
        return self.compile(node.this)

    def _cast(self, node: nodes.Cast) -> Typed:
        """Only the literals date '...' and timestamptz '...'."""
        kind = node.to.this
        if not (isinstance(node.this, nodes.Literal) and node.this.is_string):
            _refuse(node)
        text = node.this.name
        try:
            if kind == nodes.DataType.Type.DATE:
                return pl.lit(date.fromisoformat(text), pl.Date), "date"
            if kind == nodes.DataType.Type.TIMESTAMPTZ:
                moment = datetime.fromisoformat(text)
                at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
                return pl.lit(at.astimezone(UTC), pl.Datetime("us", "UTC")), "timestamp"
        except (ValueError, OverflowError):
            raise ExpressionError(f"has a {kind.name.lower()} that cannot be read") from None
        raise ExpressionError("casts; only date '...', timestamptz '...' and interval '...' may")

    def _interval(self, node: nodes.Interval) -> Typed:
        value, unit = node.this, node.args.get("unit")
        name = unit.name.upper().rstrip("S") if unit is not None else ""
        if name not in _INTERVALS or not isinstance(value, nodes.Literal):
            raise ExpressionError("has an interval that is not in seconds, minutes, hours or days")
        try:
            length = timedelta(seconds=float(value.name) * _INTERVALS[name])
        except (ValueError, OverflowError):
            raise ExpressionError("has an interval that cannot be read") from None
        return pl.lit(length, pl.Duration("us")), "interval"

    # logic

    def _and(self, node: nodes.And) -> Typed:
        return self._bool(node.left) & self._bool(node.right), "bool"

    def _or(self, node: nodes.Or) -> Typed:
        return self._bool(node.left) | self._bool(node.right), "bool"

    def _not(self, node: nodes.Not) -> Typed:
        return ~self._bool(node.this), "bool"

    def _bool(self, node: nodes.Expr) -> pl.Expr:
        expression, kind = self.compile(node)
        if kind == "null":
            return pl.lit(None, pl.Boolean)
        if kind != "bool":
            raise ExpressionError(f"uses {_words(kind)} where a condition is needed")
        return expression

    # comparisons

    def _eq(self, node: nodes.EQ) -> Typed:
        return self._compare(node, "=")

    def _neq(self, node: nodes.NEQ) -> Typed:
        return ~self._compare(node, "=")[0], "bool"

    def _lt(self, node: nodes.LT) -> Typed:
        return self._compare(node, "<")

    def _lte(self, node: nodes.LTE) -> Typed:
        return self._compare(node, "<=")

    def _gt(self, node: nodes.GT) -> Typed:
        return ~self._compare(node, "<=")[0], "bool"

    def _gte(self, node: nodes.GTE) -> Typed:
        return ~self._compare(node, "<")[0], "bool"

    def _compare(self, node: nodes.Binary, sign: str) -> Typed:
        return _order(self.compile(node.left), self.compile(node.right), sign), "bool"

    def _between(self, node: nodes.Between) -> Typed:
        value = self.compile(node.this)
        low, high = self.compile(node.args["low"]), self.compile(node.args["high"])
        return _order(low, value, "<=") & _order(value, high, "<="), "bool"

    def _in(self, node: nodes.In) -> Typed:
        if not node.expressions:
            raise ExpressionError("may test only for values in a written list")
        value = self.compile(node.this)
        tests = [_order(value, self.compile(item), "=") for item in node.expressions]
        return reduce(lambda one, other: one | other, tests), "bool"

    def _is(self, node: nodes.Is) -> Typed:
        value, kind = self.compile(node.this)
        against = node.expression
        if isinstance(against, nodes.Null):
            return value.is_null(), "bool"
        if isinstance(against, nodes.Boolean) and kind in ("bool", "null"):
            wanted = bool(against.this)
            return value.cast(pl.Boolean).eq_missing(pl.lit(wanted)), "bool"
        raise ExpressionError("may say only is [not] null, true or false")

    def _like(self, node: nodes.Like) -> Typed:
        value, kind = self.compile(node.this)
        pattern = node.expression
        if kind not in ("text", "null") or not isinstance(pattern, nodes.Literal):
            raise ExpressionError("may use like only on text, with a written pattern")
        regex = "".join({"%": "(?s:.*)", "_": "(?s:.)"}.get(c, re.escape(c)) for c in pattern.name)
        found = value.cast(pl.String).str.contains(f"^{regex}$")
        return (~found if node.args.get("negate") else found), "bool"

    # arithmetic

    def _add(self, node: nodes.Add) -> Typed:
        one, other = self.compile(node.left), self.compile(node.right)
        kinds = {one[1], other[1]}
        if kinds <= {"number", "null"}:
            return _number(one) + _number(other), "number"
        if kinds == {"interval"}:
            return one[0] + other[0], "interval"
        if kinds == {"timestamp", "interval"}:
            return one[0] + other[0], "timestamp"
        if kinds == {"date", "number"}:
            day, days = (one, other) if one[1] == "date" else (other, one)
            return _plus_days(day[0], days[0]), "date"
        return _mismatch("+", one[1], other[1])

    def _sub(self, node: nodes.Sub) -> Typed:
        one, other = self.compile(node.left), self.compile(node.right)
        kinds = (one[1], other[1])
        if set(kinds) <= {"number", "null"}:
            return _number(one) - _number(other), "number"
        if kinds in (("timestamp", "timestamp"), ("interval", "interval")):
            return one[0] - other[0], "interval"
        if kinds == ("timestamp", "interval"):
            return one[0] - other[0], "timestamp"
        if kinds == ("date", "date"):
            days = one[0].cast(pl.Int32) - other[0].cast(pl.Int32)
            return days.cast(pl.Float64), "number"
        if kinds == ("date", "number"):
            return _plus_days(one[0], -other[0]), "date"
        return _mismatch("-", *kinds)

    def _mul(self, node: nodes.Mul) -> Typed:
        one, other = self._numbers(node, "*")
        return one * other, "number"

    def _div(self, node: nodes.Div) -> Typed:
        one, other = self._numbers(node, "/")
        return one / other, "number"

    def _neg(self, node: nodes.Neg) -> Typed:
        return -_number(self.compile(node.this)), "number"

    def _abs(self, node: nodes.Abs) -> Typed:
        return _number(self.compile(node.this)).abs(), "number"

    def _round(self, node: nodes.Round) -> Typed:
        digits = node.args.get("decimals")
        written = digits is None or (isinstance(digits, nodes.Literal) and digits.is_int)
        if not written or len(digits.name if digits else "") > 2:
            raise ExpressionError("may round only to a written number of digits")
        places = int(digits.name) if digits is not None else 0
        if places > MOST_DIGITS:
            raise ExpressionError(f"may round to at most {MOST_DIGITS} digits")
        value = _number(self.compile(node.this))
        return value.round(places, mode="half_away_from_zero"), "number"

    def _numbers(self, node: nodes.Binary, sign: str) -> tuple[pl.Expr, pl.Expr]:
        one, other = self.compile(node.left), self.compile(node.right)
        if not {one[1], other[1]} <= {"number", "null"}:
            _mismatch(sign, one[1], other[1])
        return _number(one), _number(other)

    # choice

    def _case(self, node: nodes.Case) -> Typed:
        if node.this is not None:
            raise ExpressionError("writes case with a value; write case when condition then ...")
        branches = [(self._bool(b.this), self.compile(b.args["true"])) for b in node.args["ifs"]]
        default = self.compile(node.args["default"]) if node.args.get("default") else _NULL
        kind = _common([value[1] for _, value in branches] + [default[1]], "case")
        chosen = default[0]
        for condition, (value, _) in reversed(branches):
            chosen = pl.when(condition).then(value).otherwise(chosen)
        return chosen, kind

    def _coalesce(self, node: nodes.Coalesce) -> Typed:
        values = [self.compile(item) for item in (node.this, *node.expressions)]
        return pl.coalesce([v[0] for v in values]), _common([v[1] for v in values], "coalesce")

    def _least(self, node: nodes.Least) -> Typed:
        values, kind = self._alike(node, "least")
        return pl.min_horizontal(values), kind

    def _greatest(self, node: nodes.Greatest) -> Typed:
        values, kind = self._alike(node, "greatest")
        return pl.max_horizontal(values), kind

    def _alike(self, node: nodes.Expr, name: str) -> tuple[list[pl.Expr], Type]:
        values = [self.compile(item) for item in (node.this, *node.expressions)]
        return [value for value, _ in values], _common([kind for _, kind in values], name)


_NULL: Typed = (pl.lit(None), "null")
# Each node that may stand in an expression, and what it may hold.
_TWO = frozenset({"this", "expression"})
_ONE = frozenset({"this"})
_MANY = frozenset({"this", "expressions"})
_ALLOWED: Mapping[type[nodes.Expr], frozenset[str]] = {
    nodes.Column: frozenset({"this", "table", "db", "catalog"}),
    nodes.Literal: frozenset({"this", "is_string"}),
    nodes.Boolean: _ONE, nodes.Null: frozenset(), nodes.Paren: _ONE,
    nodes.Cast: frozenset({"this", "to"}), nodes.Interval: frozenset({"this", "unit"}),
    nodes.And: _TWO, nodes.Or: _TWO, nodes.Not: _ONE,
    nodes.EQ: _TWO, nodes.NEQ: _TWO, nodes.LT: _TWO, nodes.LTE: _TWO, nodes.GT: _TWO,
    nodes.GTE: _TWO, nodes.Between: frozenset({"this", "low", "high"}), nodes.In: _MANY,
    nodes.Is: _TWO, nodes.Like: _TWO | {"negate"}, nodes.Add: _TWO, nodes.Sub: _TWO,
    nodes.Mul: _TWO, nodes.Div: _TWO, nodes.Neg: _ONE,
    nodes.Abs: _ONE, nodes.Round: frozenset({"this", "decimals"}),
    nodes.Case: frozenset({"this", "ifs", "default"}), nodes.Coalesce: _MANY,
    nodes.Least: _MANY | {"ignore_nulls"}, nodes.Greatest: _MANY | {"ignore_nulls"},
}  # fmt: skip


def _number(typed: Typed) -> pl.Expr:
    if typed[1] not in ("number", "null"):
        raise ExpressionError(f"uses {_words(typed[1])} where a number is needed")
    return typed[0].cast(pl.Float64)


def _plus_days(day: pl.Expr, days: pl.Expr) -> pl.Expr:
    return (day.cast(pl.Int32) + days.round(0).cast(pl.Int32)).cast(pl.Date)


def _order(one: Typed, other: Typed, sign: str) -> pl.Expr:
    """one < other, one <= other or one = other, null if either is null."""
    kind = _common([one[1], other[1]], "comparison")
    if kind == "null":
        return pl.lit(None, pl.Boolean)
    if kind == "number":
        difference = _number(one) - _number(other)
        if sign == "=":
            return difference.abs() <= SLACK
        return difference < -SLACK if sign == "<" else difference <= SLACK
    if sign == "=":
        return one[0] == other[0]
    return one[0] < other[0] if sign == "<" else one[0] <= other[0]


def _common(kinds: list[Type], where: str) -> Type:
    found = {kind for kind in kinds if kind != "null"}
    if len(found) > 1:
        names = " with ".join(sorted(_words(kind) for kind in found))
        raise ExpressionError(f"mixes {names} in a {where}")
    return found.pop() if found else "null"


def _words(kind: Type) -> str:
    return {"bool": "a condition", "null": "null"}.get(kind, f"a {kind}")


def _mismatch(sign: str, one: Type, other: Type) -> NoReturn:
    raise ExpressionError(f"uses {sign} between {_words(one)} and {_words(other)}")


def _refuse(node: nodes.Expr) -> NoReturn:
    name = type(node).__name__
    called = node.name if isinstance(node, nodes.Anonymous) else name
    raise ExpressionError(
        f"uses {shortened(called.lower())}, which is not allowed; {ALLOWED_WORDS}"
    )
