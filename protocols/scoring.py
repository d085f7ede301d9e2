"""Outcomes to scores: totals made anew from items, by `instruments.yaml`.

A total on the form counts only where no items were charted. Where both are there and disagree, the
items count, and the row carries a warning; nothing is thrown away.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

import polars as pl

from protocols.instruments import Instrument, Items, Scoring

SLACK = 1e-9
UNKNOWN_LEVEL = "not said"
WARNINGS = {
    "unknown_instrument": "Keel has no definition of the scale",
    "unknown_version": "the scale has versions that differ, and the row names none of them",
    "too_many_items": "there are more answers than the scale has items",
    "item_out_of_range": "an item's score cannot be",
    "total_out_of_range": "the charted total cannot be",
    "unanswered": "too many items are not answered for a total",
    "nothing_charted": "there is neither a total nor an item",
    "total_disagrees": "the charted total is not that of the items",
}


_NO = pl.lit(value=False)
_NONE = pl.lit(None, pl.String)


def scored(outcomes: pl.LazyFrame, scales: tuple[Instrument, ...]) -> pl.LazyFrame:
    """Outcomes with `scale` (instrument, and version where that makes another scale), `score`
    (null: no total), whether it is `prorated`, `level` (of a positive screen for suicidality) and
    `warning`, the first of WARNINGS that holds.
    """
    names = {scale.instrument for scale in scales}
    versioned = {scale.instrument for scale in scales if scale.instrument_version}
    known = [outcomes.filter(_is(scale)).pipe(_scored, scale) for scale in scales]
    unknown = ~reduce(or_, [_is(scale) for scale in scales], _NO)
    version = pl.col("instrument").is_in(list(versioned & names))
    rest = outcomes.filter(unknown.fill_null(value=True)).with_columns(
        scale=_NONE,
        score=pl.lit(None, pl.Float64),
        prorated=_NO,
        level=_NONE,
        warning=pl.when(version)
        .then(pl.lit("unknown_version"))
        .otherwise(pl.lit("unknown_instrument")),
    )
    return pl.concat([*known, rest])


def _is(scale: Instrument) -> pl.Expr:
    named = pl.col("instrument") == scale.instrument
    if scale.instrument_version is None:
        return named
    version = pl.col("instrument_version").str.strip_chars() == scale.instrument_version
    return named & version.fill_null(value=False)


def _scored(rows: pl.LazyFrame, scale: Instrument) -> pl.LazyFrame:
    """Rows of one scale."""
    charted = pl.col("total")
    possible = charted.is_between(scale.range.least, scale.range.most)
    plain: pl.Expr = pl.when(possible).then(charted)
    kept = rows.collect_schema().names()
    if scale.items is None:
        problems = {"total_out_of_range": ~possible, "nothing_charted": charted.is_null()}
        return _with(rows, kept, scale, plain, _NO, _NONE, problems)
    rows = _with_items(rows, scale.items)
    made = _from_items(scale.items, scale.scoring)
    wrong = pl.col("_extra") | _impossible(scale.items)
    given = pl.col("_given")
    score: pl.Expr = pl.when(given & ~wrong).then(made).when(~given).then(plain)
    missing = scale.items.count - _answered(scale.items)
    prorated = given & (missing > 0) & made.is_not_null() & (scale.scoring.by == "sum")
    gap = (made - charted).abs() > scale.scoring.tolerance + SLACK
    triage = scale.scoring.by == "triage"
    problems = {
        "too_many_items": given & pl.col("_extra"),
        "item_out_of_range": given & _impossible(scale.items),
        "total_out_of_range": ~given & ~possible,
        "unanswered": given & (_undecided(scale.scoring) if triage else made.is_null()),
        "nothing_charted": ~given & charted.is_null(),
        "total_disagrees": given & gap,
    }
    if triage:
        score = pl.lit(None, pl.Float64)
        problems.pop("total_disagrees")
    return _with(rows, kept, scale, score, prorated & ~wrong, _level(scale), problems)


def _with(
    rows: pl.LazyFrame,
    kept: list[str],
    scale: Instrument,
    score: pl.Expr,
    prorated: pl.Expr,
    level: pl.Expr,
    problems: dict[str, pl.Expr],
) -> pl.LazyFrame:
    """What was found; of several problems the first of WARNINGS is told."""
    told = [
        pl.when(problems[name].fill_null(value=False)).then(pl.lit(name))
        for name in WARNINGS
        if name in problems
    ]
    return rows.select(
        *kept,
        scale=pl.lit(scale.key),
        score=score,
        prorated=prorated.fill_null(value=False),
        level=level,
        warning=pl.coalesce(told),
    )


# --- items ---


def _name(item: int) -> str:
    return f"_item_{item}"


def _with_items(rows: pl.LazyFrame, items: Items) -> pl.LazyFrame:
    """`_item_1` and so on (null: not answered), whether any items are `_given`, and whether there
    are `_extra` answers. What is no number counts as not answered, and so do codes for a refusal.
    """
    parts = pl.col("items").str.split(";")

    def answer(item: int) -> pl.Expr:
        text = parts.list.get(item - 1, null_on_oob=True).str.strip_chars()
        value = text.cast(pl.Float64, strict=False)
        usable = value.is_finite() & ~value.is_in(list(items.missing_codes))
        return pl.when(usable).then(value)

    beyond = parts.list.slice(items.count + items.unscored).list.join("").str.strip_chars()
    return rows.with_columns(
        _given=(pl.col("items").str.strip_chars() != "").fill_null(value=False),
        _extra=(beyond != "").fill_null(value=False),
        **{_name(item): answer(item) for item in range(1, items.count + 1)},
    )


def _all(items: Items) -> list[pl.Expr]:
    return [pl.col(_name(item)) for item in range(1, items.count + 1)]


def _answered(items: Items) -> pl.Expr:
    return pl.sum_horizontal(item.is_not_null().cast(pl.Int64) for item in _all(items))


def _impossible(items: Items) -> pl.Expr:
    """Some item's score is one that the form does not have."""
    tests = []
    for number, item in enumerate(_all(items), start=1):
        most = items.most_of(number)
        tests.append(item < items.least)
        if most is not None:
            tests.append(item > most)
    return pl.any_horizontal(test.fill_null(value=False) for test in tests)


def _from_items(items: Items, scoring: Scoring) -> pl.Expr:
    """The total; null where too much is unanswered."""
    answered, whole = _answered(items), pl.sum_horizontal(_all(items))
    if scoring.by == "domains":
        highest = [pl.max_horizontal(_name(item) for item in part) for part in scoring.domains]
        complete = pl.all_horizontal(_stands(item, scoring) for item in range(1, items.count + 1))
        return pl.when(complete).then(pl.sum_horizontal(highest))
    if scoring.by == "mean":
        return pl.when(answered == items.count).then(whole / items.count)
    enough = (answered > 0) & (answered >= items.count - scoring.prorate)
    prorated = (whole * items.count / answered).round(0, mode="half_to_even")
    return pl.when(answered == items.count).then(whole).when(enough).then(prorated)


def _stands(item: int, scoring: Scoring) -> pl.Expr:
    """An item is answered, or another of which the form asks for only one."""
    groups = [group for group in scoring.either if item in group]
    alike = {item, *(other for group in groups for other in group)}
    return pl.any_horizontal(pl.col(_name(other)).is_not_null() for other in sorted(alike))


# --- screens ---


def _undecided(scoring: Scoring) -> pl.Expr:
    """No yes anywhere, and a question that decides was left out."""
    left = pl.any_horizontal(pl.col(_name(item)).is_null() for item in scoring.needed)
    return left & ~_any_yes([item for level in scoring.levels for item in level.any_of])


def _any_yes(items: list[int]) -> pl.Expr:
    return pl.any_horizontal((pl.col(_name(item)) > 0).fill_null(value=False) for item in items)


def _level(scale: Instrument) -> pl.Expr:
    """The level of a positive screen; a triage whose answers were not charted and whose total is
    above its least is positive all the same.
    """
    if scale.suicidality is not None:
        held = scale.suicidality
        return pl.when(pl.col(_name(held.item)) >= held.least).then(pl.lit(held.level))
    if scale.scoring.by != "triage":
        return _NONE
    levels = [
        pl.when(_any_yes(list(level.any_of))).then(pl.lit(level.level))
        for level in scale.scoring.levels
    ]
    blind = pl.when(~pl.col("_given") & (pl.col("total") > scale.range.least))
    return pl.coalesce([*levels, blind.then(pl.lit(UNKNOWN_LEVEL))])
