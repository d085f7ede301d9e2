"""Expressions mean what they mean to DuckDB, and nothing but the allow-list gets through."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.expressions import Type, compile_expression
from protocols.parsing import ExpressionError

COLUMNS: dict[str, Type] = {
    "a": "number", "b": "number", "s": "text", "f": "bool", "t": "timestamp", "u": "timestamp",
    "d": "date", "this.x": "number",
}  # fmt: skip
SQL_TYPES = {"number": "DOUBLE", "text": "VARCHAR", "bool": "BOOLEAN", "timestamp": "TIMESTAMPTZ",
             "date": "DATE"}  # fmt: skip
POLARS_TYPES = {"number": pl.Float64, "text": pl.String, "bool": pl.Boolean,
                "timestamp": pl.Datetime("us", "UTC"), "date": pl.Date}  # fmt: skip
START = datetime(2025, 3, 1, tzinfo=UTC)

numbers = st.recursive(
    st.sampled_from(["a", "b", "0", "1", "2.5", "null"]),
    lambda part: st.one_of(
        st.tuples(part, st.sampled_from("+-*"), part).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        part.map(lambda p: f"abs({p})"),
        part.map(lambda p: f"round({p}, 1)"),
        st.tuples(part, part).map(lambda p: f"least({p[0]}, {p[1]})"),
        st.tuples(part, part).map(lambda p: f"greatest({p[0]}, {p[1]})"),
        st.tuples(part, part).map(lambda p: f"coalesce({p[0]}, {p[1]})"),
        st.tuples(part, part).map(lambda p: f"case when f then {p[0]} else {p[1]} end"),
    ),
    max_leaves=4,
)
tests = st.one_of(
    st.tuples(numbers, st.sampled_from(["<", "<=", "=", "<>", ">=", ">"]), numbers).map(" ".join),
    st.tuples(numbers, numbers, numbers).map(lambda p: f"{p[0]} between {p[1]} and {p[2]}"),
    st.tuples(numbers, st.sampled_from(["in", "not in"])).map(lambda p: f"{p[0]} {p[1]} (1, 2.5)"),
    st.sampled_from([
        "f", "f is null", "f is not true", "f is false", "s = 'x'", "s in ('x', 'y', null)",
        "s like 'x%'", "s like '_y'", "s not like 'x%'", "s is not null",
        "t < u", "t - u <= interval '90 minutes'",
        "t + interval 2 hours > u", "t = timestamptz '2025-03-01T00:00:00Z'",
        "d = date '2025-03-01'", "d - date '2025-02-27' > 1", "d between date '2025-03-01' and d",
        "a is null", "(a + b) is not null",
    ]),
)  # fmt: skip
conditions = st.recursive(
    tests,
    lambda part: st.one_of(
        st.tuples(part, st.sampled_from(["and", "or"]), part).map(
            lambda p: f"({p[0]}) {p[1]} ({p[2]})"
        ),
        part.map(lambda p: f"not ({p})"),
    ),
    max_leaves=4,
)
cells = st.fixed_dictionaries({
    "a": st.sampled_from([None, 0.0, 1.0, 2.5, -3.0]),
    "b": st.sampled_from([None, 1.0, 2.0, 0.1]),
    "s": st.sampled_from([None, "x", "xy", "zy"]),
    "f": st.sampled_from([None, True, False]),
    "t": st.sampled_from([None, START, START + timedelta(minutes=90)]),
    "u": st.sampled_from([None, START, START + timedelta(hours=2)]),
    "d": st.sampled_from([None, date(2025, 3, 1), date(2025, 2, 28)]),
})  # fmt: skip


def by_duckdb(text: str, row: dict[str, Any]) -> Any:
    columns = ", ".join(f'?::{SQL_TYPES[COLUMNS[name]]} AS "{name}"' for name in row)
    values = [v.isoformat() if isinstance(v, datetime) else v for v in row.values()]
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        found = db.execute(f"SELECT ({text}) FROM (SELECT {columns})", values).fetchone()
    assert found is not None
    return found[0]


def by_keel(text: str, row: dict[str, Any]) -> Any:
    schema = {name: POLARS_TYPES[COLUMNS[name]] for name in row}
    frame = pl.DataFrame([row], schema=schema)
    return frame.select(found=compile_expression(text, COLUMNS).polars).item()


@settings(max_examples=150)
@given(text=conditions, row=cells)
def test_a_condition_means_what_it_means_to_duckdb(text: str, row: dict[str, Any]) -> None:
    assert by_keel(text, row) == by_duckdb(text, row)


@settings(max_examples=100)
@given(text=numbers, row=cells)
def test_a_number_is_what_duckdb_computes(text: str, row: dict[str, Any]) -> None:
    expected = by_duckdb(f"({text})::DOUBLE", row)
    assert by_keel(text, row) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    "text",
    [
        "now()", "current_date", "(select 1)", "exists (select 1)", "count(a)", "sum(a) over ()",
        "a as b", "a, b", "a; drop table x", "1) from t --", "read_csv('x')", "getenv('HOME')",
        "a::int", "cast(a as int)", "*", "t.a", "this.nothing", "a in (select 1)", "[a]",
        "{'a': 1}", "a % 2", "s || s", "s ilike 'x'", "lambda x: x", "$1", "?", "",
        "(" * 50 + "a" + ")" * 50, "a + " * 2000 + "a", "d < t", "a = s", "f + 1", "s > 1",
        "a and b", "t + t", "interval 1 month", "date 'soon'", "s like s", "not a",
    ],
)  # fmt: skip
def test_what_is_not_allowed_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(text, COLUMNS)


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(ExpressionError, match=r"did you mean this\.x"):
        compile_expression("this.y > 1", COLUMNS)


@pytest.mark.parametrize(("value", "met"), [(0.3, True), (0.1 + 0.2, True), (0.3001, False)])
def test_a_number_within_1e_9_of_a_limit_lies_on_it(value: float, met: bool) -> None:
    assert by_keel("a <= 0.3", {"a": value}) is met


def test_names_are_those_that_are_used() -> None:
    compiled = compile_expression("a > this.x and s = 'b'", COLUMNS)
    assert compiled.names == {"a", "this.x", "s"}
    assert compiled.type == "bool"
