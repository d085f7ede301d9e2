"""For each expectation about a row: rows that break it and rows that just keep it.

All of it derives from the contract by the expectation's kind, in plain Python, so that a new
expectation has its rows at once and a new kind has none and fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from checks.contract import Column, Contract, Expectation

NOON, BEFORE = "2026-03-02T12:00:00Z", "2026-03-02T11:59:59.999999Z"
DAY, DAY_BEFORE = "2026-03-02", "2026-03-01"
NONE_OF_THEM = "none of them"
UNREADABLE = {
    "int": "2.5", "number": "nan", "decimal": "40 mg", "bool": "yes", "date": "2026-02-30",
    "timestamp": "2026-03-02T24:00Z", "time": "24:00",
}  # fmt: skip
Row = dict[str, str]


@dataclass(frozen=True)
class Line:
    """A row made for one expectation, and the ids of all that it breaks."""

    made_for: str
    row: Mapping[str, str]
    breaks: frozenset[str]


def lines(held: Contract) -> list[Line]:
    """The feed's good row, then for each expectation about a row those that keep and break it."""
    found = [Line("", good_row(held), frozenset())]
    for expectation in held.expectations:
        if expectation.kind in MAKERS:
            for row, broken in MAKERS[expectation.kind](held, expectation):
                if row[held.id_column] == known_id(held.feed):
                    row[held.id_column] = f"{held.feed}-{len(found)}"
                found.append(Line(expectation.id, row, frozenset(broken)))
    return found


def good_row(held: Contract) -> Row:
    """A row with every column filled that breaks nothing."""
    row = {column.name: _good(held, column) for column in held.columns}
    return {**row, held.id_column: known_id(held.feed), "deleted": "false"}


def known_id(feed: str) -> str:
    """The id of a feed's good row, which the good rows of others refer to."""
    return "north" if feed == "clinics" else f"{feed}-0"


def _good(held: Contract, column: Column) -> str:
    listed = column.closed or column.suggested
    if listed:
        return listed[0]
    if column.references:
        return known_id(column.references[0])
    if column.name == "time_zone":
        return "America/Chicago"
    if column.type in ("int", "number", "decimal"):
        low = [bounds["min_value"] for bounds in ranges(held, column.name).values()]
        return str(max(low, default=1))
    return {"bool": "true", "date": DAY, "timestamp": NOON, "time": "08:00"}.get(column.type, "x")


def ranges(held: Contract, column: str) -> dict[str, Mapping[str, Any]]:
    """The bounds that a column is held to, by expectation."""
    return {
        e.id: e.parameters
        for e in held.expectations
        if e.kind == "range" and e.columns == (column,)
    }


def only_needed(held: Contract) -> Row:
    """The good row with everything empty that may be."""
    row = good_row(held)
    return {c.name: row[c.name] if c.required else "" for c in held.columns}


Made = Iterator[tuple[Row, set[str]]]


def _type(held: Contract, expectation: Expectation) -> Made:
    (name,) = expectation.columns
    kind, good = held.column(name).type, good_row(held)
    otherwise = {
        "bool": "FALSE", "date": good[name], "time": "23:59",
        "timestamp": NOON.replace("Z", "+00:00"),
    }  # fmt: skip
    yield {**good, name: otherwise.get(kind, f" {good[name]} ")}, set()
    yield {**good, name: UNREADABLE[kind]}, {expectation.id}


def _required(held: Contract, expectation: Expectation) -> Made:
    yield only_needed(held), set()
    yield {**good_row(held), expectation.columns[0]: ""}, {expectation.id}


def _set(held: Contract, expectation: Expectation) -> Made:
    (name,) = expectation.columns
    for value in expectation.parameters["value_set"]:
        yield {**good_row(held), name: value}, set()
    yield {**good_row(held), name: NONE_OF_THEM}, {expectation.id}


def _range(held: Contract, expectation: Expectation) -> Made:
    (name,) = expectation.columns
    step = 1 if held.column(name).type == "int" else 0.001
    all_bounds = ranges(held, name)
    for bound, beyond in (("min_value", -step), ("max_value", step)):
        if bound in expectation.parameters:
            edge = expectation.parameters[bound]
            for value in (edge, edge + beyond):
                broken = {
                    id_ for id_, b in all_bounds.items()
                    if not b.get("min_value", value) <= value <= b.get("max_value", value)
                }  # fmt: skip
                yield {**good_row(held), name: str(value)}, broken


def _order(held: Contract, expectation: Expectation) -> Made:
    later, earlier = (held.column(name) for name in expectation.columns)
    moments = {"date": (DAY, DAY_BEFORE), "timestamp": (NOON, BEFORE)}
    row = {**only_needed(held), earlier.name: moments[earlier.type][0]}
    yield {**row, later.name: moments[later.type][0]}, set()
    yield {**row, later.name: ""} if not later.required else {**row}, set()
    yield {**row, later.name: moments[later.type][1]}, {expectation.id}


def _unique(held: Contract, expectation: Expectation) -> Made:
    (name,) = expectation.columns
    for second, broken in ((NOON, set[str]()), (BEFORE, {expectation.id})):
        for recorded_at in (NOON, second):
            row = {**good_row(held), name: f"{held.feed} twice, {second}"}
            yield {**row, "recorded_at": recorded_at}, broken


def _reference(held: Contract, expectation: Expectation) -> Made:
    yield good_row(held), set()
    yield {**good_row(held), expectation.columns[0]: "nobody"}, {expectation.id}


MAKERS: Mapping[str, Callable[[Contract, Expectation], Made]] = {
    "type": _type,
    "required": _required,
    "closed_set": _set,
    "suggested_set": _set,
    "range": _range,
    "order": _order,
    "unique": _unique,
    "reference": _reference,
}
