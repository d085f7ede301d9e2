"""When each rule looks, on rows that are judged: for the picture of a session.

The same bounds that the engine judges by, without the judging. A rule that looks at no time, or
whose window is anchored on a measure, has no row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import polars as pl

from protocols.context import Judged
from protocols.facts import Facts
from protocols.judged import judged_rows
from protocols.kinds import kinds
from protocols.linked import Gatherer, Part
from protocols.model import ElapsedRule, Protocol, Rule, ValueRule
from protocols.scope import judged_columns
from protocols.times import INSTANT

WINDOWS = pl.Schema(
    {
        "clinic_id": pl.String(), "subject_id": pl.String(), "protocol": pl.String(),
        "protocol_version": pl.String(), "rule_id": pl.String(), "starts_at": INSTANT,
        "ends_at": INSTANT,
    }
)  # fmt: skip


def session_windows(
    protocols: Sequence[Protocol], facts: Facts, wanted: pl.DataFrame
) -> pl.DataFrame:
    """One row is one rule's window on one of the sessions `wanted` (clinic_id, session_id); a bound
    is null where the window is open or its anchor was not charted."""
    found = [pl.DataFrame(schema=WINDOWS)]
    judging = [protocol for protocol in protocols if protocol.judges == "sessions"]
    for versions, judged in judged_rows(judging, facts):
        rows = judged.join(
            wanted.rename({"session_id": "_subject"}), on=["clinic_id", "_subject"], how="semi"
        )
        for at, protocol in enumerate(versions):
            mine = rows.filter(pl.col("_version") == at)
            found += [window for window in _windows(protocol, mine, facts) if len(mine)]
    return pl.concat(found).sort("clinic_id", "subject_id", "protocol", "rule_id")


def _windows(protocol: Protocol, rows: pl.DataFrame, facts: Facts) -> Iterator[pl.DataFrame]:
    columns = judged_columns(protocol.judges, {})
    gatherer = Gatherer(facts, protocol.judges, columns)
    judged = Judged(protocol.judges, columns, facts.zone_names)
    for rule in protocol.rules:
        bounds = _elapsed(rule, judged) if isinstance(rule, ElapsedRule) else None
        part = None if bounds is not None else _part(protocol, rule)
        if part is not None and _anchored(part, columns):
            start, end, _ = gatherer.bounds(part)
            bounds = (start, end)
        if bounds is not None:
            yield rows.select(
                "clinic_id", subject_id="_subject", protocol=pl.lit(protocol.protocol),
                protocol_version=pl.lit(protocol.version), rule_id=pl.lit(rule.id),
                starts_at=bounds[0].cast(INSTANT), ends_at=bounds[1].cast(INSTANT),
            )  # fmt: skip


def _elapsed(rule: ElapsedRule, judged: Judged) -> tuple[pl.Expr, pl.Expr]:
    """From its beginning to where its end is first or last allowed."""
    start = judged.instant(rule.from_)
    if rule.max is not None:
        return start, judged.not_after(start, rule.max)
    assert rule.min is not None
    return start, judged.not_before(start, rule.min)


def _part(protocol: Protocol, rule: Rule) -> Part | None:
    """The first rows that a rule looks at; of a value, those of the measure that it is."""
    own = kinds()[rule.kind].parts(rule)
    if own:
        return own[0]
    measure = protocol.measures.get(rule.expr.strip()) if isinstance(rule, ValueRule) else None
    if measure is None:
        return None
    return Part(rule.id, measure.of, measure.by, measure.window, measure.among)


def _anchored(part: Part, columns: Collection[str]) -> bool:
    """Whether the part has a window whose anchors are columns."""
    ends = (part.window.start, part.window.end) if part.window else ()
    anchors = [bound.anchor for bound in ends if bound is not None]
    return bool(anchors) and all(anchor in columns for anchor in anchors)
