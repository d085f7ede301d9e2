"""The numbers that rules hold vital signs against: for the lines in the picture of a session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import sqlglot
from sqlglot import expressions as nodes

from protocols.model import Linked, Protocol, ResponseRule, Rule, Then, ValueRule

_COMPARED = (nodes.LT, nodes.LTE, nodes.GT, nodes.GTE)


class VitalLimit(NamedTuple):
    """One number that one rule holds one column of vitals against."""

    protocol: str
    protocol_version: str
    rule_id: str
    column_name: str
    value: float


def vital_limits(protocols: Sequence[Protocol]) -> list[VitalLimit]:
    """Every plain comparison of a column of vitals with a number, sorted."""
    found = {
        VitalLimit(protocol.protocol, protocol.version, rule.id, column, value)
        for protocol in protocols
        for rule in protocol.rules
        for column, value in _of_rule(protocol, rule)
    }
    return sorted(found)


def _of_rule(protocol: Protocol, rule: Rule) -> Iterator[tuple[str, float]]:
    parts: list[Linked | Then] = []
    if isinstance(rule, ResponseRule):
        parts = [rule.trigger, rule.then]
    elif isinstance(rule, Linked):
        parts = [rule]
    for part in parts:
        where = getattr(part, "where", None)
        if part.of == "vitals" and where is not None:
            yield from _compared(where)
    if isinstance(rule, ValueRule):
        measure = protocol.measures.get(rule.expr.strip())
        if measure is not None and measure.of == "vitals" and measure.expr is not None:
            column = sqlglot.parse_one(measure.expr, dialect="duckdb")
            if isinstance(column, nodes.Column):
                yield from ((column.name, v) for v in (rule.min, rule.max) if v is not None)


def _compared(text: str) -> Iterator[tuple[str, float]]:
    for node in sqlglot.parse_one(text, dialect="duckdb").walk():
        if isinstance(node, nodes.Between):
            limits = [node.args["low"], node.args["high"]]
        elif isinstance(node, _COMPARED):
            limits = [node.expression]
        else:
            continue
        if isinstance(node.this, nodes.Column) and not node.this.table:
            for limit in limits:
                if isinstance(limit, nodes.Literal) and limit.is_number:
                    yield node.this.name, float(limit.name)
