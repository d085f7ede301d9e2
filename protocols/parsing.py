"""The text of an expression as a tree: one expression, nothing passed over in silence, bounded."""

from __future__ import annotations

from functools import lru_cache

import sqlglot
from sqlglot import expressions as nodes
from sqlglot.errors import SqlglotError

ALLOWED_WORDS = (
    "allowed are columns, literals, and/or/not, comparisons, between, in, is, like, arithmetic, "
    "case, coalesce, least, greatest, abs and round"
)
# What the parser takes for something that is allowed, or reads slowly before it is refused.
_REFUSED = frozenset({"ifnull", "nvl", "unknown", "@", "!", "[", "]", "{", "}"})

LONGEST_SHOWN = 80
LONGEST = 4_000
MOST_NESTED = 40
REMEMBERED = 4_096


class ExpressionError(ValueError):
    """An expression that is not allowed; the words say what and what is."""


def too_deep() -> ExpressionError:
    """The error of an expression beyond the bounds."""
    return ExpressionError("is too long or nested too deep; split it into measures or rules")


@lru_cache(maxsize=REMEMBERED)
def parsed(text: str) -> tuple[nodes.Expr, tuple[str, ...]]:
    """An expression as a tree that nobody changes, and the columns it names."""
    if len(text) > LONGEST or _depth(text) > MOST_NESTED:
        raise too_deep()
    _check_tokens(text)
    try:
        statements = sqlglot.parse(f"SELECT ({text}\n)", read="duckdb")
    except (SqlglotError, RecursionError, ValueError, TypeError):
        raise ExpressionError(f"is no SQL expression; {ALLOWED_WORDS}") from None
    statement = statements[0] if len(statements) == 1 else None
    if (
        not isinstance(statement, nodes.Select)
        or len(statement.expressions) != 1
        or set(filled(statement)) - {"expressions"}
        or not isinstance(statement.expressions[0], nodes.Paren)
    ):
        raise ExpressionError(f"is no single SQL expression; {ALLOWED_WORDS}")
    tree = statement.expressions[0]
    return tree, tuple(sorted({name_of(node) for node in tree.find_all(nodes.Column)}))


def name_of(column: nodes.Column) -> str:
    """A column with its owner: this.weight_kg."""
    return ".".join(part.name for part in column.parts)


def shortened(text: str) -> str:
    """An expression for a message: on one line, not too long, nothing that does not print."""
    line = " ".join(text.split())
    shown = "".join(c if c.isprintable() else "\ufffd" for c in line)
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}..."


def _check_tokens(text: str) -> None:
    """What the parser would pass over in silence: comments, further statements, odd characters."""
    if any(not c.isprintable() and c not in "\t\r\n" for c in text):
        raise ExpressionError("has a character that does not print; type it anew")
    try:
        tokens = sqlglot.tokenize(text, read="duckdb")
    except SqlglotError:
        raise ExpressionError(f"is no SQL expression; {ALLOWED_WORDS}") from None
    if any(token.comments for token in tokens):
        raise ExpressionError("has a comment; write it in YAML, after #")
    if any(token.token_type == sqlglot.TokenType.SEMICOLON for token in tokens):
        raise ExpressionError("has a semicolon; write one expression")
    for token in tokens:
        if token.text.lower() in _REFUSED and token.token_type != sqlglot.TokenType.STRING:
            raise ExpressionError(f"uses {token.text.lower()}, which is not allowed; "
                                  f"{ALLOWED_WORDS}")  # fmt: skip


def filled(node: nodes.Expr) -> list[str]:
    """Which arguments of a node are given."""
    return [key for key, value in node.args.items() if value not in (None, [], False)]


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    return deepest
