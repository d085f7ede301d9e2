"""What changed from one version of a protocol to another, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from protocols.description import (
    citation_words,
    effective_words,
    measure_sentence,
    measure_words,
    scope_sentence,
)
from protocols.kinds import kinds
from protocols.model import Citation, Example, Measure, Protocol, Rule
from protocols.words import expression_words


def differences(old: Protocol, new: Protocol) -> list[str]:
    """One line a change: the protocol itself, then its rules, measures, sources and examples."""
    return [
        *_changed("", _head(old), _head(new)),
        *_rules(old, new),
        *_measures(old.measures, new.measures),
        *_sources(old.sources, new.sources),
        *_examples(old.examples, new.examples),
    ]


def _head(protocol: Protocol) -> dict[str, str | None]:
    primary = protocol.primary
    return {
        "id": protocol.protocol,
        "version": protocol.version,
        "title": _quoted(protocol.title),
        "in force": effective_words(protocol),
        "scope": scope_sentence(protocol),
        "main outcome": f"{primary.instrument} on day {primary.day}, within {primary.within} days"
        if primary
        else None,
        "approved by": protocol.approved_by,
        "approved on": str(protocol.approved_on) if protocol.approved_on else None,
        "change note": _quoted(protocol.change_note),
    }


def _rules(old: Protocol, new: Protocol) -> Iterator[str]:
    before, after = ({rule.id: rule for rule in one.rules} for one in (old, new))
    for rule_id, rule in before.items():
        if rule_id not in after:
            yield f"rule {rule_id} was dropped ({rule.title})"
    for rule_id, rule in after.items():
        if rule_id not in before:
            asks = kinds()[rule.kind].asks(rule).sentence
            yield f"rule {rule_id} is new ({rule.title}; {rule.severity}, {rule.tier}): {asks}"
        else:
            yield from _rule(before[rule_id], rule)


def _rule(old: Rule, new: Rule) -> Iterator[str]:
    name = f"rule {old.id}"
    asked, asks = (kinds()[rule.kind].asks(rule) for rule in (old, new))
    if old.kind != new.kind:
        yield f"{name}: `{asked.sentence}` became `{asks.sentence}`"
    else:
        yield from _changed(name, asked.words, asks.words, named=False)
    yield from _changed(name, _about(old), _about(new))


def _about(rule: Rule) -> dict[str, str | None]:
    """What every rule has besides what it asks."""
    without = kinds()[rule.kind].missing(rule)
    return {
        "title": _quoted(rule.title),
        "severity": rule.severity,
        "tier": rule.tier,
        "source": rule.source,
        "note": _quoted(rule.note),
        "target": f"{rule.target:g}" if rule.target is not None else None,
        "only if": expression_words(rule.when) if rule.when is not None else None,
        "not charted": without.replace("_", " ") if without is not None else None,
    }


def _measures(old: Mapping[str, Measure], new: Mapping[str, Measure]) -> Iterator[str]:
    for name in old:
        if name not in new:
            yield f"measure {name} was dropped"
    for name, measure in new.items():
        if name not in old:
            yield f"measure {name} is new: {measure_sentence(measure)}"
        else:
            before, after = measure_words(old[name]), measure_words(measure)
            yield from _changed(f"measure {name}", before, after, named=False)


def _sources(old: Mapping[str, Citation], new: Mapping[str, Citation]) -> Iterator[str]:
    for name in old:
        if name not in new:
            yield f"source {name} was dropped"
    for name, source in new.items():
        if name not in old:
            yield f"source {name} is new ({source.tier}): {citation_words(source)}"
        else:
            yield from _changed(f"source {name}", old[name].model_dump(), source.model_dump())


def _examples(old: tuple[Example, ...], new: tuple[Example, ...]) -> Iterator[str]:
    before, after = ({example.title: example for example in some} for some in (old, new))
    counts = {
        "new": sum(title not in before for title in after),
        "changed": sum(title in before and before[title] != after[title] for title in after),
        "dropped": sum(title not in after for title in before),
    }
    if any(counts.values()):
        said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        yield f"worked examples: {said}"


def _changed(
    where: str, old: Mapping[str, Any], new: Mapping[str, Any], *, named: bool = True
) -> Iterator[str]:
    """`named`: phrases that do not speak for themselves are said after their name."""
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        lead = ": ".join(part for part in (where, name if named else "") if part)
        if before is None:
            yield f"{lead}: now {after}"
        elif after is None:
            yield f"{lead}: no longer {before}"
        else:
            yield f"{lead}: {before} became {after}"


def _quoted(text: str | None) -> str | None:
    return f"`{text}`" if text is not None else None
