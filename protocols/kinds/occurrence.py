"""`occurrence`: how many linked rows in a window pass a test."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from protocols.context import Judged
from protocols.kinds import MET, NOT_EVALUABLE, NOT_MET, PENDING, Asks, Outcome, status
from protocols.linked import Part
from protocols.model import Missing, OccurrenceRule
from protocols.sentences import sentence
from protocols.words import expression_words, feed_words, link_words, window_words

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
        .then(status(missing(rule)))
        .when(too_few)
        .then(status(NOT_MET))
        .otherwise(status(MET)),
        observed=pl.when(~unknown).then(n.cast(pl.Float64)),
        reason=pl.when(unknown)
        .then(pl.lit(f"{_anchors(rule)}: not charted"))
        .when(untested & (rows == 0))
        .then(sentence("no {}{} found{}; {} required", pl.lit(rule.of),
                        pl.lit(f" with {expression_words(rule.among)}" if rule.among else ""),
                        _where(rule, judged),
                        pl.lit(" and ".join(wanted))))
        .otherwise(sentence("{} of {} {}{}{}; {} {}", n, rows, pl.lit(rule.of),
                             pl.lit(f" with {expression_words(rule.where)}" if rule.where else ""),
                             _where(rule, judged), pl.lit(" and ".join(wanted)),
                             pl.lit("required" if least is not None else "allowed"))),
        due_at=end,
        for_want=too_few | (untested & pl.lit(least is not None)),
        of=rule.of,
        link=rule.by,
    )  # fmt: skip


def asks(rule: OccurrenceRule) -> Asks:
    """Which rows, when, and how many of them must pass the test."""
    about = {"of": feed_words(rule.of), **link_words(rule), "window": window_words(rule.window)}
    if rule.among is not None:
        about["among"] = f"only those with {expression_words(rule.among)}"
    if rule.pick != "any":
        about["pick"] = f"the {rule.pick} of them alone"
    if rule.where is not None:
        counted = "those" if rule.pick == "any" else "it if it comes"
        about["where"] = f"counting {counted} with {expression_words(rule.where)}"
    limits = {}
    if rule.at_least is not None:
        limits["at_least"] = f"at least {rule.at_least}"
    if rule.at_most is not None:
        limits["at_most"] = f"at most {rule.at_most}" if rule.at_most else "none"
    return Asks(about, limits)


def missing(rule: OccurrenceRule) -> Missing:
    """Without a row: not met where one is asked for; else met in feeds where no row means none."""
    if rule.missing is not None:
        return rule.missing
    if rule.at_least is not None:
        return "not_met"
    return "met" if rule.of in MET_WITHOUT_ROWS else "not_evaluable"


def _anchors(rule: OccurrenceRule) -> str:
    bounds = (rule.window.start, rule.window.end) if rule.window else ()
    names = dict.fromkeys(bound.anchor.replace("_", " ") for bound in bounds if bound is not None)
    return " or ".join(names)


def _where(rule: OccurrenceRule, judged: Judged) -> pl.Expr:
    """The window in words, as far as it has ends."""
    if rule.window is None or rule.window.start is None or rule.window.end is None:
        return pl.lit("")
    start, end = pl.col(f"{rule.id}.start"), pl.col(f"{rule.id}.end")
    return sentence(" between {} and {}", judged.moment(start), judged.moment(end))
