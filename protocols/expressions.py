"""SQL expressions of protocols: parsed, held to an allow-list, typed, and turned into Polars.

The meaning is DuckDB's: null behaves as in SQL, `/` gives a fraction. A number within 1e-9 of what
it is compared with lies on it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from typing import Literal, NoReturn

import polars as pl
import sqlglot
from sqlglot import expressions as nodes
from sqlglot.errors import SqlglotError

Type = Literal["text", "number", "bool", "date", "timestamp", "interval", "null"]
Typed = tuple[pl.Expr, Type]

SLACK = 1e-9
LONGEST = 4_000
MOST_NESTED = 40
_INTERVALS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400, "WEEK": 604_800}


class ExpressionError(ValueError):
    """An expression that is not allowed; the words say what and what is."""


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
    if len(text) > LONGEST or _depth(text) > MOST_NESTED:
        raise ExpressionError("is too long or nested too deep")
    try:
        parsed = sqlglot.parse(f"SELECT ({text}\n)", read="duckdb")
    except (SqlglotError, RecursionError):
        raise ExpressionError("is no SQL expression") from None
    statement = parsed[0] if len(parsed) == 1 else None
    if (
        not isinstance(statement, nodes.Select)
        or len(statement.expressions) != 1
        or set(_filled(statement)) - {"expressions"}
        or not isinstance(statement.expressions[0], nodes.Paren)
    ):
        raise ExpressionError("is no single SQL expression")
    compiler = _Compiler(columns)
    expression, kind = compiler.compile(statement.expressions[0])
    return Expression(text, frozenset(compiler.names), kind, expression)


def _filled(node: nodes.Expr) -> list[str]:
    return [key for key, value in node.args.items() if value not in (None, [], False)]


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    return deepest


class _Compiler:
    def __init__(self, columns: Mapping[str, Type]) -> None:
        self._columns = columns
        self.names: set[str] = set()

    def compile(self, node: nodes.Expr) -> Typed:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            _refuse(node)
        typed: Typed = method(node)
        return typed

    # leaves

    def _column(self, node: nodes.Column) -> Typed:
        parts = [part.name for part in node.parts]
        name = ".".join(parts)
        if name not in self._columns:
            near = difflib.get_close_matches(name, self._columns, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ExpressionError(f"names {name}, which is no column here{hint}")
        self.names.add(name)
        kind = self._columns[name]
        column = pl.col(name)
        return (column.cast(pl.Float64) if kind == "number" else column), kind

    def _literal(self, node: nodes.Literal) -> Typed:
        if node.is_string:
            return pl.lit(node.name, pl.String), "text"
        return pl.lit(float(node.name), pl.Float64), "number"

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
        except ValueError:
            raise ExpressionError(f"has a {kind.name.lower()} that cannot be read") from None
        raise ExpressionError("casts; only date '...', timestamptz '...' and interval '...' may")

    def _interval(self, node: nodes.Interval) -> Typed:
        value, unit = node.this, node.args.get("unit")
        name = unit.name.upper().rstrip("S") if unit is not None else ""
        if name not in _INTERVALS or not isinstance(value, nodes.Literal):
            raise ExpressionError("has an interval that is not in seconds, minutes, hours or days")
        try:
            seconds = float(value.name) * _INTERVALS[name]
        except ValueError:
            raise ExpressionError("has an interval that cannot be read") from None
        return pl.lit(timedelta(seconds=seconds), pl.Duration("us")), "interval"

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
        if set(_filled(node)) - {"this", "expressions"} or not node.expressions:
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
        return value.cast(pl.String).str.contains(f"^{regex}$"), "bool"

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
        if set(_filled(node)) - {"this", "decimals"}:
            _refuse(node)
        digits = node.args.get("decimals")
        if digits is not None and not (isinstance(digits, nodes.Literal) and digits.is_int):
            raise ExpressionError("may round only to a written number of digits")
        places = int(digits.name) if digits is not None else 0
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
        f"uses {called.lower()}, which is not allowed; allowed are columns, literals, and/or/not, "
        "comparisons, between, in, is, like, arithmetic, case, coalesce, least, greatest, abs and "
        "round"
    )
