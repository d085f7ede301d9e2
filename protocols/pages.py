"""The library for reading and signing: `python -m protocols.pages FOLDER`.

One Markdown page a protocol version, and `index.md` over all of them. They are kept in the
repository, so that a medical director can read and sign them; a test holds them to the files.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from protocols.description import (
    CONFIDENCE,
    SEVERITIES,
    TIERS,
    clause,
    effective_words,
    headline,
    measure_sentence,
    scope_sentence,
    tier_counts,
)
from protocols.evaluate import SUBJECT_KINDS
from protocols.load import load_protocols
from protocols.model import Protocol, Rule, Status

_WRITTEN = "<!-- Written by `python -m protocols.pages` from protocols/library: change that. -->\n"
_STATUSES: Mapping[Status, str] = {
    "met": "Met", "not_met": "Not met", "not_evaluable": "Not evaluable", "pending": "Pending",
    "excluded": "Left out",
}  # fmt: skip
_UNSAID = frozenset({"Named", "Comes from", "Note", "If not met", "Target"})


def pages() -> dict[str, str]:
    """Every page's text by its file name."""
    held = load_protocols([])
    return {"index.md": _index(held), **{file_name(one): page(one) for one in held}}


def file_name(protocol: Protocol) -> str:
    """A page of its own for each version, so that what was signed stays."""
    return f"{protocol.protocol}-{protocol.version}.md"


def page(protocol: Protocol) -> str:
    """All that a signature stands for: scope, sources, every rule with its examples."""
    return "\n".join(
        [
            f"{_WRITTEN}# {protocol.title}\n",
            _about(protocol),
            "## Sources\n",
            _sources(protocol),
            "## Rules\n",
            *(_rule(protocol, at, rule) for at, rule in enumerate(protocol.rules, start=1)),
            *_measures(protocol),
            "## Sign-off\n",
            _sign_off(protocol),
        ]
    )


def _about(protocol: Protocol) -> str:
    lines = [
        f"`{protocol.key}`, in force {effective_words(protocol)}.",
        f"{scope_sentence(protocol)}.",
        *(f"{line}." for line in headline(protocol)[3:-1]),
        f"{len(protocol.rules)} rules: {tier_counts(protocol)}.",
    ]
    return "\n".join(f"- {line.removesuffix('..').removesuffix('.')}." for line in lines) + "\n"


def _sources(protocol: Protocol) -> str:
    if not protocol.sources:
        return "None: every rule is a house rule.\n"
    rows = [
        (name, f"{source.tier} ({TIERS[source.tier]})", source.citation,
         CONFIDENCE[source.confidence],
         ", ".join(f"`{rule.id}`" for rule in protocol.rules if rule.source == name) or "none")
        for name, source in protocol.sources.items()
    ]  # fmt: skip
    return _table(("Name", "Tier", "Citation", "Confidence", "Rules"), rows)


def _rule(protocol: Protocol, number: int, rule: Rule) -> str:
    noun = SUBJECT_KINDS[protocol.judges]
    told = [line for line in clause(protocol, rule).lines if line[0] not in _UNSAID]
    rows = [
        ("Rule", f"`{rule.id}`"),
        *told,
        ("Severity", SEVERITIES[rule.severity].format(noun)),
        ("Target", f"{rule.target:.4g}" if rule.target is not None else "none set"),
        ("Tier", f"{rule.tier} ({TIERS[rule.tier]})"),
        *_source(protocol, rule),
        *([("Note", rule.note)] if rule.note is not None else []),
    ]
    return "\n".join(
        [f"### {number}. {rule.title}\n", _table(("", ""), rows), _shown(protocol, rule)]
    )


def _source(protocol: Protocol, rule: Rule) -> list[tuple[str, str]]:
    if rule.source is None:
        return [("Source", "none: the clinic's own choice")]
    source = protocol.sources[rule.source]
    read = CONFIDENCE[source.confidence]
    return [("Source", source.citation), ("Confidence", read)]


def _shown(protocol: Protocol, rule: Rule) -> str:
    """The worked examples that show the rule, by what it says of them."""
    lines = []
    for status, said in _STATUSES.items():
        titles = [one.title for one in protocol.examples if one.expect.get(rule.id) == status]
        if titles:
            lines.append(f"- {said}: {'; '.join(_cell(title) for title in titles)}")
    return "Worked examples, run with every test of Keel:\n\n" + "\n".join(lines) + "\n"


def _measures(protocol: Protocol) -> list[str]:
    if not protocol.measures:
        return []
    lines = [
        f"- {name.replace('_', ' ')}: {_cell(measure_sentence(measure))}"
        for name, measure in protocol.measures.items()
    ]
    return ["## Values that the rules use\n", "\n".join(lines) + "\n"]


def _sign_off(protocol: Protocol) -> str:
    rows = [
        ("Protocol", f"`{protocol.key}`"),
        ("SHA-256 of its file", f"`{protocol.sha256}`"),
        ("Approved by", protocol.approved_by or ""),
        ("Approved on", str(protocol.approved_on or "")),
        ("Rules dropped or changed here", ""),
        ("Signature", ""),
    ]
    return _table(("", ""), rows)


def _index(held: Sequence[Protocol]) -> str:
    rows = [
        (f"[{one.title}]({file_name(one)})", f"`{one.key}`", one.judges, _rules(one),
         effective_words(one))
        for one in held
    ]  # fmt: skip
    tiers = ", ".join(f"{tier} {said}" for tier, said in TIERS.items())
    return (
        f"{_WRITTEN}# Protocol library\n\nWhat Keel judges by when nothing else is set. "
        f"Tiers: {tiers}. A house rule is a default that the clinic chooses; it has no source.\n\n"
        + _table(("Protocol", "Version", "Judges", "Rules", "In force"), rows)
    )


def _rules(protocol: Protocol) -> str:
    counts = {tier: sum(rule.tier == tier for rule in protocol.rules) for tier in TIERS}
    said = ", ".join(f"{count} {tier}" for tier, count in counts.items() if count)
    return f"{len(protocol.rules)} ({said})"


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(header)
    lines = [names, ["---"] * len(names), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def _cell(text: str) -> str:
    """Text that Markdown and a table leave as it is."""
    plain = text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;").replace("*", "\\*")
    return " ".join(plain.split())


def write(folder: Path) -> None:
    """Write every page into the folder; pages of protocols that are gone are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for path in folder.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference/protocols"))
