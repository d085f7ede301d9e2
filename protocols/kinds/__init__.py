"""Rule kinds: one module each, found by discovery; adding one is adding a file here.

A module has `KIND`, the name in YAML, `parts(rule)`, the feed rows it needs,
`verdict(rule, judged)`, how status, observed value, due time and reason follow from them,
`asks(rule)`, what the rule asks in plain words, and `missing(rule)`, the status when nothing is
charted (None where that cannot be).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import polars as pl

from protocols.context import Judged
from protocols.linked import Part
from protocols.model import Missing

MET, NOT_MET, NOT_EVALUABLE, PENDING, EXCLUDED = (
    "met", "not_met", "not_evaluable", "pending", "excluded",
)  # fmt: skip
STATUS = pl.Enum([MET, NOT_MET, NOT_EVALUABLE, PENDING, EXCLUDED])


@dataclass(frozen=True)
class Outcome:
    """A rule's verdict as expressions over judged rows.

    `for_want` is true where not_met follows from there being no row, `of` naming the feed;
    `due_at` is when a pending verdict is decided; `reason` says in a line what was found.
    """

    status: pl.Expr
    observed: pl.Expr
    reason: pl.Expr
    due_at: pl.Expr
    for_want: pl.Expr | None = None
    of: str | None = None
    link: str | None = None


@dataclass(frozen=True)
class Asks:
    """What a rule asks, in plain words by the parameter they say: `about` what it looks at,
    `limits` what it wants of that."""

    about: Mapping[str, str]
    limits: Mapping[str, str]

    @property
    def words(self) -> dict[str, str]:
        """Every phrase by its parameter."""
        return {**self.about, **self.limits}

    @property
    def sentence(self) -> str:
        """All of it in one."""
        said = f"{', '.join(self.about.values())}: {', '.join(self.limits.values())}"
        return said[0].upper() + said[1:]


class Kind(Protocol):
    """What a kind's module offers."""

    KIND: str

    def parts(self, rule: Any) -> Sequence[Part]: ...
    def verdict(self, rule: Any, judged: Judged) -> Outcome: ...
    def asks(self, rule: Any) -> Asks: ...
    def missing(self, rule: Any) -> Missing | None: ...


@cache
def kinds() -> dict[str, Kind]:
    """Kind name to its module."""
    found: dict[str, Kind] = {}
    for module in pkgutil.iter_modules(__path__):
        loaded: Any = importlib.import_module(f"{__name__}.{module.name}")
        found[loaded.KIND] = loaded
    return found


@cache
def status(text: str) -> pl.Expr:
    """A status as a literal."""
    return pl.lit(text, STATUS)
