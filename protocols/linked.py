"""Features of judged rows from the rows of feeds that are linked to them.

Every part of every rule says which rows it looks at and what it wants to know of them; all parts
over one feed and link are gathered in one plan: one join, one sort, one group-by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from checks.contract import contract
from protocols.beside import beside
from protocols.durations import Span
from protocols.expressions import Expression, Type, compile_expression
from protocols.facts import Facts
from protocols.judged import IDS, with_items
from protocols.model import Judges, Link
from protocols.near import near
from protocols.scope import feed_columns, linked_columns
from protocols.times import INSTANT, midnight, window_end, window_start


@dataclass(frozen=True)
class Part:
    """Rows of a feed that one part of a rule looks at, and what it wants of them.

    `name` prefixes its features: `n` (candidates), `true` and `known` (tested rows whose `where` is
    true, or not null), `value` (what a measure takes), `first`, `last`, `gap` and
    `gap_to` (a cadence's readings and where the widest gap between them ends).
    """

    name: str
    of: str
    by: Link
    window: Span | None
    among: str | None
    where: str | None = None
    pick: str = "any"
    take: str | None = None
    expr: str | None = None
    readings: bool = False

    @property
    def in_order(self) -> bool:
        """Whether its features hang on the order of the rows; a sum of fractions does."""
        return self.readings or self.pick != "any" or self.take in ("first", "last", "sum")


@dataclass
class Gatherer:
    """Gathers parts over one set of judged rows (`_idx`, `_zone`, and the columns rules name)."""

    facts: Facts
    judges: Judges
    columns: Mapping[str, Type]
    parts: list[Part] = field(default_factory=list)

    def add(self, part: Part) -> None:
        """Ask for a part's features."""
        self.parts.append(part)

    def gather(self, judged: pl.DataFrame) -> pl.DataFrame:
        """The judged rows with the features of every part, and its bounds `<name>.start` and
        `<name>.end` (null where open or unknown) and `<name>.unknown` (an anchor is null)."""
        judged = judged.with_columns(
            [column for part in self.parts for column in self.bounds(part)]
        )
        groups: dict[tuple[str, Link], list[Part]] = {}
        for part in self.parts:
            groups.setdefault((part.of, part.by), []).append(part)
        for (feed, by), parts in groups.items():
            judged = beside(judged, self._features(judged, feed, by, parts), ["_idx"])
        counts = [f"{part.name}.{what}" for part in self.parts for what in ("n", "true", "known")]
        filled = [pl.col(name).fill_null(0) for name in counts if name in judged.columns]
        self.parts = []
        return judged.with_columns(filled)

    def anchor(self, name: str) -> pl.Expr:
        """A column that names a time, as an instant; a date is its local midnight."""
        if self.columns[name] == "date":
            return midnight(pl.col(name), self.facts.zone_names)
        return pl.col(name)

    def bounds(self, part: Part) -> list[pl.Expr]:
        """When a part's window starts and ends, and whether an anchor of it is null."""
        zones = self.facts.zone_names
        start, end = (part.window.start, part.window.end) if part.window else (None, None)
        nothing = pl.lit(None, INSTANT)
        begins = nothing
        ends = nothing
        if start is not None:
            begins = window_start(self.anchor(start.anchor), start.step, start.sign, zones)
        if end is not None:
            ends = window_end(self.anchor(end.anchor), end.step, end.sign, zones)
        unknown = [pl.col(bound.anchor).is_null() for bound in (start, end) if bound is not None]
        return [
            begins.alias(f"{part.name}.start"),
            ends.alias(f"{part.name}.end"),
            pl.any_horizontal(unknown or [pl.lit(value=False)]).alias(f"{part.name}.unknown"),
        ]

    def rows(
        self,
        judged: pl.DataFrame,
        feed: str,
        by: Link,
        parts: Sequence[Part],
        *,
        passing: bool = False,
    ) -> pl.LazyFrame:
        """Feed rows beside the judged rows they are linked to, by event time, then id, where a part
        asks for an order; without those that no part looks at, or that pass no part's test,
        whatever the judged row.
        """
        compiled = [
            e for part in parts for e in self._compiled(part.of, part.among, part.where, part.expr)
        ]
        names = {name for expression in compiled for name in expression.names}
        mine = sorted(name for name in names if name.startswith("this."))
        bounds = [f"{part.name}.{end}" for part in parts for end in ("start", "end", "unknown")]
        key = {"session": "session_id", "patient": "patient_id"}.get(by)
        keys = ["clinic_id", *([key] if key else [])]
        left = judged.lazy().select(
            "_idx",
            *keys,
            *(pl.col(name.removeprefix("this.")).alias(name) for name in mine),
            *(pl.col(name) for name in bounds if name in judged.columns),
            pl.col("_subject"),
        )
        feed_rows = self._feed_rows(feed, by, names, keys).filter(
            self._looked_at(parts, passing=passing)
        )
        windows = [(f"{part.name}.start", f"{part.name}.end") for part in parts]
        if by == "clinic" and all(part.window and part.window.closed for part in parts):
            joined = near(feed_rows, left, windows)
            if any(part.in_order for part in parts):
                joined = joined.sort("_idx", "_at", "_id")
        else:
            joined = left.join(feed_rows, on=keys, maintain_order="left_right")
        if feed == self.judges and feed in ("sessions", "dispenses"):
            joined = joined.filter(pl.col(IDS[feed]) != pl.col("_subject"))
        return joined

    def _looked_at(self, parts: Sequence[Part], *, passing: bool) -> pl.Expr:
        """Whether a feed row may count for any of the parts, by what does not hang on the judged
        row."""
        return pl.any_horizontal(
            pl.all_horizontal(
                pl.lit(value=True),
                *(
                    held.polars.cast(pl.Boolean)
                    for held in self._compiled(part.of, part.among, part.where if passing else None)
                    if not any(name.startswith("this.") for name in held.names)
                ),
            )
            for part in parts
        ).fill_null(value=False)

    def _feed_rows(self, feed: str, by: Link, names: set[str], keys: list[str]) -> pl.LazyFrame:
        facts = self.facts.whole if by == "clinic" else self.facts
        rows = facts.ordered(feed)
        if feed == "sessions":
            rows = rows.filter(pl.col("status") == "completed").with_columns(started_at="_at")
        if feed == "vitals" and by == "patient":
            sessions = self.facts.frames["sessions"].select("clinic_id", "session_id", "patient_id")
            rows = rows.join(
                sessions, on=["clinic_id", "session_id"], how="inner", maintain_order="left"
            )
        if feed == "outcomes" and any(name.startswith("item_") for name in names):
            rows = with_items(rows)
        if any(name.startswith("staff.") for name in names):
            staff = [name for name in feed_columns("staff") if name != "clinic_id"]
            people = (
                self.facts.frames["staff"]
                .select("clinic_id", *(pl.col(name).alias(f"staff.{name}") for name in staff))
                .with_columns(_person=pl.col("staff.staff_id"))
            )
            rows = rows.join(
                people,
                left_on=["clinic_id", "staff_id"],
                right_on=["clinic_id", "_person"],
                how="left",
                maintain_order="left",
            ).with_columns(
                pl.when(pl.col("staff.staff_id").is_not_null())
                .then(pl.col("clinic_id"))
                .alias("staff.clinic_id")
            )
        id_column = contract(feed).id_column
        wanted = {name for name in names if not name.startswith("this.")}
        wanted |= {*keys, id_column}
        return rows.select(
            *(pl.col(name) for name in sorted(wanted)), "_at", _id=pl.col(id_column).cast(pl.String)
        )

    def _compiled(self, feed: str, *texts: str | None) -> list[Expression]:
        return [self.compile(feed, text) for text in texts if text is not None]

    def compile(self, feed: str, text: str) -> Expression:
        """An expression over a feed row and, as `this.`, the judged row."""
        return compile_expression(text, self._scope(feed))

    def _scope(self, feed: str) -> Mapping[str, Type]:
        if feed not in self._scopes:
            self._scopes[feed] = linked_columns(feed, self.columns)
        return self._scopes[feed]

    @cached_property
    def _scopes(self) -> dict[str, Mapping[str, Type]]:
        return {}

    def candidate(self, part: Part) -> pl.Expr:
        """Whether a feed row lies in the part's window and its `among` is true."""
        name = part.name
        tests = [~pl.col(f"{name}.unknown")]
        if part.window is not None and part.window.start is not None:
            tests.append(pl.col("_at") >= pl.col(f"{name}.start"))
        if part.window is not None and part.window.end is not None:
            tests.append(pl.col("_at") <= pl.col(f"{name}.end"))
        if part.among is not None:
            tests.append(self.compile(part.of, part.among).polars.cast(pl.Boolean))
        return pl.all_horizontal(tests).fill_null(value=False)

    def _features(
        self, judged: pl.DataFrame, feed: str, by: Link, parts: Sequence[Part]
    ) -> pl.DataFrame:
        rows = (
            self.rows(judged, feed, by, parts)
            .with_columns(self.candidate(part).alias(f"{part.name}.in") for part in parts)
            .filter(pl.any_horizontal(f"{part.name}.in" for part in parts))
        )
        for part in parts:
            rows = rows.with_columns(self._row_columns(part))
        grouped = rows.group_by("_idx", maintain_order=False).agg(
            [aggregate for part in parts for aggregate in _aggregates(part)]
        )
        return grouped.collect()

    def _row_columns(self, part: Part) -> list[pl.Expr]:
        name, inside = part.name, pl.col(f"{part.name}.in")
        columns: list[pl.Expr] = []
        if part.where is not None:
            test = self.compile(part.of, part.where).polars.cast(pl.Boolean)
            columns.append(pl.when(inside).then(test).alias(f"{name}.test"))
        elif part.take is None:
            columns.append(pl.when(inside).then(pl.lit(value=True)).alias(f"{name}.test"))
        if part.expr is not None:
            columns.append(self.compile(part.of, part.expr).polars.alias(f"{name}.expr"))
        if part.readings:
            before = pl.when(inside).then(pl.col("_at")).forward_fill().shift(1)
            whose = pl.when(inside).then(pl.col("_idx")).forward_fill().shift(1)
            follows = inside & (whose == pl.col("_idx"))
            columns.append(pl.when(follows).then(pl.col("_at") - before).alias(f"{name}.step"))
        return columns


def _aggregates(part: Part) -> list[pl.Expr]:
    name, inside = part.name, pl.col(f"{part.name}.in")
    found = [inside.sum().alias(f"{name}.n")]
    if part.take is not None:
        return found if part.take == "count" else [*found, _taken(part)]
    test = pl.col(f"{name}.test")
    if part.pick == "any":
        found += [
            test.sum().alias(f"{name}.true"),
            test.is_not_null().sum().alias(f"{name}.known"),
        ]
    else:
        picked = test.get(_row_of(part, last=part.pick == "last"), null_on_oob=True)
        found += [
            picked.fill_null(value=False).cast(pl.UInt32).alias(f"{name}.true"),
            picked.is_not_null().cast(pl.UInt32).alias(f"{name}.known"),
        ]
    if part.readings:
        found += [
            pl.col("_at").filter(inside).min().alias(f"{name}.first"),
            pl.col("_at").filter(inside).max().alias(f"{name}.last"),
            pl.col(f"{name}.step").max().alias(f"{name}.gap"),
            pl.col("_at").max_by(f"{name}.step").alias(f"{name}.gap_to"),
        ]
    return found


def _taken(part: Part) -> pl.Expr:
    value, inside = pl.col(f"{part.name}.expr"), pl.col(f"{part.name}.in")
    if part.take in ("first", "last"):
        taken = value.get(_row_of(part, last=part.take == "last"), null_on_oob=True)
    else:
        masked = pl.when(inside).then(value)
        if part.take == "sum":
            filled = masked.is_not_null().any()
            taken = pl.when(filled).then(masked.sum().round(9))
        else:
            taken = masked.min() if part.take == "min" else masked.max()
    return taken.alias(f"{part.name}.value")


def _row_of(part: Part, *, last: bool) -> pl.Expr:
    """Position within the group of the first or last candidate; null without one."""
    here = pl.when(pl.col(f"{part.name}.in")).then(pl.int_range(pl.len(), dtype=pl.UInt32))
    return here.max() if last else here.min()
