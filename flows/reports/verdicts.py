"""Is a clinic all right: its rules against their targets, in words.

A rule is below its target beyond chance when even the upper end of its 95 % interval is. Where the
target is all of them, one miss is.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from flows.reports.queries import Row
from flows.reports.rates import completeness, counted_rules, rule_rate
from flows.reports.words import counted

if TYPE_CHECKING:
    import duckdb

ORDER = {"act": 0, "below": 1, "watch": 2, "ok": 3, "none": 4}


def targeted(db: duckdb.DuckDBPyConnection, since: date | None) -> list[Row]:
    """Each clinic's rules that have a target, with their rate: `gap` is `below` (beyond chance),
    `chance` (below, within chance), or None."""
    found = counted_rules(
        db, "clinic_id, protocol, rule_id, title, severity, tier, target", since,
        "target IS NOT NULL",
    )  # fmt: skip
    for row in found:
        row["rate"] = rule_rate(row)
        share, high = row["rate"]["share"], row["rate"]["high"]
        below = share is not None and share < row["target"]
        row["gap"] = None if not below else "below" if high < row["target"] else "chance"
    return found


def without_target(db: duckdb.DuckDBPyConnection, since: date | None) -> list[Row]:
    """The network's critical rules that have no target and were missed, waived misses apart: those
    with the most `misses` first."""
    found = counted_rules(
        db, "protocol, rule_id, title", since, "target IS NULL AND severity = 'critical'"
    )
    missed = [{**row, "misses": row["not_met"] - row["waived"]} for row in found]
    return sorted(
        (row for row in missed if row["misses"]),
        key=lambda row: (-row["misses"], row["protocol"], row["rule_id"]),
    )


def verdict(rules: Iterable[Row]) -> Row:
    """One clinic's verdict: `mark`, `words`, and why, from its rules with a target."""
    mine = [row for row in rules if row["rate"]["trials"]]
    below = [row for row in mine if row["gap"] == "below"]
    critical = [row for row in below if row["severity"] == "critical"]
    chance = [row for row in mine if row["gap"] == "chance"]
    total = {name: sum(row[name] for row in mine) for name in ("met", "not_met", "not_evaluable")}
    said = {"rules": len(mine), "completeness": completeness(total)}
    if critical:
        others = len(below) - len(critical)
        why = f"{counted(len(critical), 'critical rule')} below target"
        why += f", {others} more below" if others else ""
        return {"mark": "act", "words": "Act", "why": why, **said}
    if below:
        why = f"{counted(len(below), 'rule')} below target, none critical"
        return {"mark": "below", "words": "Below target", "why": why, **said}
    if chance:
        why = f"{counted(len(chance), 'rule')} below target, within chance"
        return {"mark": "watch", "words": "Watch", "why": why, **said}
    if mine:
        why = f"all {counted(len(mine), 'rule')} with a target on it"
        return {"mark": "ok", "words": "On target", "why": why, **said}
    return {"mark": "none", "words": "Nothing judged", "why": "no rule with a target", **said}


def network_answer(verdicts: Iterable[Row]) -> str:
    """Is the network all right, in one sentence."""
    marks = [verdict["mark"] for verdict in verdicts]
    judged = [mark for mark in marks if mark != "none"]
    if not judged:
        return "Nothing can be said yet: no rule with a target has been judged."
    acting, below = judged.count("act"), judged.count("below")
    of = f"of {counted(len(judged), 'clinic')}"
    if acting:
        verb = "is" if acting == 1 else "are"
        return f"No: {acting} {of} {verb} below target on a critical rule."
    if below:
        verb = "is" if below == 1 else "are"
        return f"Mostly: no critical rule is below its target, but {below} {of} {verb} on others."
    return f"Yes: all {counted(len(judged), 'clinic')} are on target, within chance."
