"""What a row must say for an expression on it to be true, as far as its text tells at a glance."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import sqlglot
from sqlglot import expressions as nodes

Said = tuple[tuple[str, tuple[str, ...]], ...]
"""By column of text, the values of which it has one."""


def necessary_texts(expression: str | None, columns: Collection[str]) -> Said:
    """Of the row's own `columns`, those that an equality or a list joined by `and` holds to texts.

    It is necessary, not sufficient: what the rest of the expression asks is left out.
    """
    if expression is None:
        return ()
    found: dict[str, set[str]] = {}
    for part in _joined_by_and(sqlglot.parse_one(expression, dialect="duckdb")):
        match part:
            case nodes.EQ(this=nodes.Column() as column, expression=nodes.Literal() as value):
                values: list[nodes.Expr] = [value]
            case nodes.In(this=nodes.Column() as column) if part.expressions:
                values = part.expressions
            case _:
                continue
        if column.table or column.name not in columns or not all(map(_is_text, values)):
            continue
        allowed = {value.name for value in values}
        found[column.name] = found.get(column.name, allowed) & allowed
    return tuple(sorted((column, tuple(sorted(texts))) for column, texts in found.items()))


def _joined_by_and(node: nodes.Expr) -> Iterator[nodes.Expr]:
    if isinstance(node, nodes.Paren):
        yield from _joined_by_and(node.this)
    elif isinstance(node, nodes.And):
        yield from _joined_by_and(node.left)
        yield from _joined_by_and(node.right)
    else:
        yield node


def _is_text(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.Literal) and node.is_string
