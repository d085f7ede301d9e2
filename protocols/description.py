"""A protocol as a medical director reads it: rule by rule, in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from protocols.evaluate import SUBJECT_KINDS
from protocols.kinds import kinds
from protocols.model import Citation, Measure, Protocol, Rule, Severity, Tier
from protocols.words import expression_words, feed_words, length_words, link_words, window_words

TIERS: Mapping[Tier, str] = {
    "T1": "law, label or REMS", "T2": "guideline", "T3": "trial", "T4": "house rule",
}  # fmt: skip
SEVERITIES: Mapping[Severity, str] = {
    "critical": "critical: the {} does not comply",
    "major": "major: the {} does not comply",
    "minor": "minor: counted, the {} still complies",
}
MISSING: Mapping[str, str] = {
    "not_met": "counts as not met", "not_evaluable": "cannot be judged", "met": "counts as met",
    "excluded": "is left out",
}  # fmt: skip
CONFIDENCE: Mapping[str, str] = {
    "seen": "seen: the value was read, not the whole document",
    "recalled": "recalled, not read: confirm before relying on it",
}
_LABEL = 13


@dataclass(frozen=True)
class Clause:
    """One rule in words: its lines are (label, text)."""

    title: str
    lines: tuple[tuple[str, str], ...]


def described(protocol: Protocol, width: int) -> str:
    """All of a protocol, wrapped to a terminal's width."""
    parts = [wrapped(line, width, "") for line in headline(protocol)]
    for number, rule in enumerate(protocol.rules, start=1):
        told = clause(protocol, rule)
        parts += ["", wrapped(f"{number}. {told.title}", width, "   ")]
        parts += [
            wrapped(f"   {label:<{_LABEL}}{text}", width, " " * (3 + _LABEL))
            for label, text in told.lines
        ]
    for name, measure in protocol.measures.items():
        title = "Values that the rules above use" if name == next(iter(protocol.measures)) else None
        parts += ["", title] if title else []
        said = f"{name.replace('_', ' ')}: {measure_sentence(measure)}"
        parts.append(wrapped(f"   {said}", width, "     "))
    return "\n".join(parts)


def headline(protocol: Protocol) -> list[str]:
    """What it is, when it is in force, whom it judges, who approved it, how many rules it has."""
    lines = [
        protocol.title,
        f"{protocol.protocol}, version {protocol.version}, in force {effective_words(protocol)}",
        scope_sentence(protocol),
    ]
    if protocol.primary is not None:
        main = protocol.primary
        lines.append(
            f"Main outcome: {main.instrument} on day {main.day} of a course, up to {main.within} "
            "days earlier or later"
        )
    approved = [f"by {protocol.approved_by}"] if protocol.approved_by else []
    approved += [f"on {protocol.approved_on}"] if protocol.approved_on else []
    lines.append(f"Approved {' '.join(approved)}" if approved else "Not marked as approved")
    if protocol.change_note:
        lines.append(f"Changed: {protocol.change_note}")
    return [*lines, f"{len(protocol.rules)} rules: {tier_counts(protocol)}"]


def effective_words(protocol: Protocol) -> str:
    """When a version is in force, both days included."""
    until = protocol.effective.to
    by = ", for courses that start then" if protocol.in_force_by == "course" else ""
    end = f"to {until}" if until is not None else "on"
    return f"from {protocol.effective.from_} {end}{by}"


def scope_sentence(protocol: Protocol) -> str:
    """Which rows it judges."""
    said = [f"Judges {protocol.judges}"]
    if protocol.drug:
        said.append(f"of {protocol.drug}")
    if protocol.programs is not None:
        noun = "programme" if len(protocol.programs) == 1 else "programmes"
        said.append(f"in the {noun} {', '.join(protocol.programs)}")
    if protocol.clinics is not None:
        said.append(f"at {', '.join(protocol.clinics)}")
    if protocol.population is not None:
        said.append(f"with {expression_words(protocol.population)}")
    sentence = " ".join(said)
    if protocol.judges == "sessions":
        gap = length_words(protocol.course.gap)
        sentence += f"; a start more than {gap} after the last one opens a new course"
    return sentence


def tier_counts(protocol: Protocol) -> str:
    """How many rules rest on what: "4 T3 (trial), 10 T4 (house rule)"."""
    counts = Counter(rule.tier for rule in protocol.rules)
    return ", ".join(f"{counts[tier]} {tier} ({TIERS[tier]})" for tier in TIERS if counts[tier])


def clause(protocol: Protocol, rule: Rule) -> Clause:
    """A rule: what it asks, how grave a miss is, what happens without data, where it comes from."""
    kind = kinds()[rule.kind]
    lines = [("Asks", kind.asks(rule).sentence)]
    if rule.when is not None:
        lines.append(("Only if", expression_words(rule.when)))
    lines.append(("If not met", SEVERITIES[rule.severity].format(SUBJECT_KINDS[protocol.judges])))
    without = kind.missing(rule)
    if without is not None:
        lines.append(("Not charted", MISSING[without]))
    if rule.target is not None:
        lines.append(
            ("Target", f"met in at least {rule.target:.4g} of the {protocol.judges} judged")
        )
    lines.append(("Comes from", source_words(protocol, rule)))
    if rule.note is not None:
        lines.append(("Note", rule.note))
    return Clause(rule.title, (*lines, ("Named", rule.id)))


def source_words(protocol: Protocol, rule: Rule) -> str:
    """Where a rule comes from: "trial (T3): Phillips 2019, ..."."""
    said = f"{TIERS[rule.tier]} ({rule.tier})"
    if rule.source is None:
        return said
    return f"{said}: {citation_words(protocol.sources[rule.source])}"


def citation_words(source: Citation) -> str:
    """A citation, and whether its document was read."""
    return source.citation + (
        "" if source.confidence == "seen" else f" ({CONFIDENCE[source.confidence]})"
    )


def measure_words(measure: Measure) -> dict[str, str]:
    """What a measure takes, by the parameter that says it."""
    how = {"first": "the first", "last": "the last", "min": "the smallest", "max": "the largest",
           "sum": "the sum of", "count": "the number"}[measure.take]  # fmt: skip
    value = f" {expression_words(measure.expr)}" if measure.expr is not None else ""
    words = {"take": f"{how}{value} of", "of": feed_words(measure.of), **link_words(measure)}
    words["window"] = window_words(measure.window)
    if measure.among is not None:
        words["among"] = f"only those with {expression_words(measure.among)}"
    return words


def measure_sentence(measure: Measure) -> str:
    """A measure in one sentence."""
    taken, *rest = measure_words(measure).values()
    return f"{taken} {', '.join(rest)}"


def as_data(protocol: Protocol) -> dict[str, Any]:
    """The same for a program: what `keel protocol list` and `show` give with --json."""
    counts = Counter(rule.tier for rule in protocol.rules)
    return {
        "protocol": protocol.protocol,
        "version": protocol.version,
        "title": protocol.title,
        "effective_from": protocol.effective.from_.isoformat(),
        "effective_to": protocol.effective.to.isoformat() if protocol.effective.to else None,
        "judges": protocol.judges,
        "rules_by_tier": {tier: counts[tier] for tier in TIERS},
        "sha256": protocol.sha256,
    }


def rules_as_data(protocol: Protocol) -> Sequence[dict[str, Any]]:
    """Each rule for a program, with what it asks in words."""
    return [
        {
            "rule_id": rule.id, "title": rule.title, "kind": rule.kind, "tier": rule.tier,
            "severity": rule.severity, "asks": kinds()[rule.kind].asks(rule).sentence,
            "when": rule.when, "missing": kinds()[rule.kind].missing(rule), "target": rule.target,
            "citation": protocol.sources[rule.source].citation if rule.source else None,
            "confidence": protocol.sources[rule.source].confidence if rule.source else None,
            "note": rule.note,
        }
        for rule in protocol.rules
    ]  # fmt: skip


def wrapped(line: str, width: int, indent: str) -> str:
    """A line broken at blanks to a terminal's width, what follows indented."""
    room = max(width, 40)
    return "\n".join(
        wrap(line, room, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    )
