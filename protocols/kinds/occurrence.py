"""`occurrence`: how many linked rows in a window pass a test."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from protocols.context import Judged, expression_words
from protocols.kinds import MET, NOT_EVALUABLE, NOT_MET, PENDING, Outcome, status
from protocols.linked import Part
from protocols.model import OccurrenceRule

KIND = "occurrence"
MET_WITHOUT_ROWS = frozenset({"doses", "events", "dispenses", "sessions", "charges"})


def parts(rule: OccurrenceRule) -> Sequence[Part]:
    """One part: the candidates, tested."""
    return [Part(rule.id, rule.of, rule.by, rule.window, rule.among, rule.where, rule.pick)]


def verdict(rule: OccurrenceRule, judged: Judged) -> Outcome:
    """In the contract's order: unknown anchor, too many, enough, still open, no row, too few."""
    n = pl.col(f"{rule.id}.true")
    cutoff = judged.cutoff(rule.of)
    open_end = rule.window is None or rule.window.end is None
    end = cutoff if open_end else pl.col(f"{rule.id}.end")
    least, most = rule.at_least, rule.at_most
    if least is not None:
        default = NOT_MET
    else:
        default = MET if rule.of in MET_WITHOUT_ROWS else NOT_EVALUABLE
    untested = pl.col(f"{rule.id}.known") == 0
    too_many = n > most if most is not None else pl.lit(value=False)
    enough = n >= least if least is not None and most is None else pl.lit(value=False)
    too_few = n < least if least is not None else pl.lit(value=False)
    unknown = pl.col(f"{rule.id}.unknown")
    still_open = end > cutoff
    wanted = [f"at least {least}"] if least is not None else []
    wanted += [f"at most {most}"] if most is not None else []
    rows = pl.col(f"{rule.id}.n")
    return Outcome(
        status=pl.when(unknown)
        .then(status(NOT_EVALUABLE))
        .when(too_many)
        .then(status(NOT_MET))
        .when(enough)
        .then(status(MET))
        .when(still_open)
        .then(status(PENDING))
        .when(untested)
        .then(status(rule.missing or default))
        .when(too_few)
        .then(status(NOT_MET))
        .otherwise(status(MET)),
        observed=pl.when(~unknown).then(n.cast(pl.Float64)),
        reason=pl.when(unknown)
        .then(pl.lit(f"{_anchors(rule)}: not charted"))
        .when(untested & (rows == 0))
        .then(pl.format("no {}{} found{}; {} required", pl.lit(rule.of),
                        pl.lit(f" with {expression_words(rule.among)}" if rule.among else ""),
                        _where(rule, judged),
                        pl.lit(" and ".join(wanted))))
        .otherwise(pl.format("{} of {} {}{}{}; {} {}", n, rows, pl.lit(rule.of),
                             pl.lit(f" with {expression_words(rule.where)}" if rule.where else ""),
                             _where(rule, judged), pl.lit(" and ".join(wanted)),
                             pl.lit("required" if least is not None else "allowed"))),
        due_at=end,
        for_want=too_few | (untested & pl.lit(least is not None)),
        of=rule.of,
        link=rule.by,
    )  # fmt: skip


def _anchors(rule: OccurrenceRule) -> str:
    bounds = (rule.window.start, rule.window.end) if rule.window else ()
    names = dict.fromkeys(bound.anchor.replace("_", " ") for bound in bounds if bound is not None)
    return " or ".join(names)


def _where(rule: OccurrenceRule, judged: Judged) -> pl.Expr:
    """The window in words, as far as it has ends."""
    if rule.window is None or rule.window.start is None or rule.window.end is None:
        return pl.lit("")
    start, end = pl.col(f"{rule.id}.start"), pl.col(f"{rule.id}.end")
    return pl.format(" between {} and {}", judged.moment(start), judged.moment(end))
