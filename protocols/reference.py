"""The reference pages of outcome scales, from `instruments.yaml`, of costing and billing codes,
from `costs.yaml`, and of risk signals, from `risk.yaml`: `python -m protocols.reference FOLDER`.
They are kept in the repository; a test holds them to the files.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from protocols.costs import CodeCheck, Costs, costs
from protocols.instruments import (
    Bands,
    Fact,
    Instrument,
    Instruments,
    Items,
    ReliableChange,
    Remission,
    Scoring,
    Source,
    instruments,
)
from protocols.risk import Holidays, Levels, People, Risk, Signal, risk

_WRITTEN = "<!-- Written by `make docs` from protocols/{}: change that. -->\n"
_TIERS = (
    "Every fact has a tier: T1 law, label, REMS or a national code set; T2 guideline; T3 a trial "
    "or published study; T4 a house reading, without a source. *Recalled* sources were not read "
    "for this page: check them before you lean on one."
)
_SCORED = {
    "sum": "sum of all items", "mean": "mean of all items", "triage": "a level, no total",
    "domains": "sum of each domain's highest item", "charted": "the total on the form",
}  # fmt: skip


def pages() -> dict[str, str]:
    """Each page's text by its file name."""
    return {
        "instruments.md": page(instruments()),
        "costs.md": cost_page(costs()),
        "risk.md": risk_page(risk()),
    }


def page(held: Instruments) -> str:
    """All scales: what each fact is, its tier and where it is from."""
    rule = held.courses.reliable_change
    parts = [
        f"{_WRITTEN.format('instruments.yaml')}# Outcome scales\n",
        f"{_TIERS} How courses are read from scores is said in "
        "[outcomes](definitions/outcomes.md).\n",
        f"Reliable change: {rule.formula}, {rule.criterion:g} standard errors of a difference, "
        "where no published number of points stands. Ends are included.\n",
    ]
    for scale in held.instruments:
        rows = [
            (name.replace("_", " "), _words(scale, fact), fact.tier, _source(fact, held.sources))
            for name, fact in scale.facts().items()
        ]
        parts += [f"## {scale.key}\n", f"{scale.title}.\n", _table(rows)]
    parts += ["## Courses\n", _table(
        (name.replace("_", " "), _plain(fact), fact.tier, _source(fact, held.sources))
        for name, fact in held.courses
    )]  # fmt: skip
    return "\n".join(parts)


def cost_page(held: Costs) -> str:
    """How sessions are costed, and every check of a billing code."""
    readings = _table(
        (name.replace("_", " "), _plain(fact), fact.tier, _source(fact, held.sources))
        for name, fact in held.costing
    )
    checks = _table(
        (f"`{check.id}`: {check.title}", _checked(check), check.tier,
         f"{_source(check, held.sources)} {_confirmed(check)}".strip())
        for check in held.checks
    )  # fmt: skip
    return "\n".join(
        [
            f"{_WRITTEN.format('costs.yaml')}# Costing and billing codes\n",
            f"{_TIERS} What figures are made of them is said in [cost](definitions/cost.md).\n",
            "## Costing\n", readings, "## Checks of billing codes\n",
            "Days and minutes include their ends.\n", checks,
        ]
    )  # fmt: skip


def risk_page(held: Risk) -> str:
    """Every signal: what flags it, what it weighs, what it can't know and how it can mislead."""
    parts = [
        f"{_WRITTEN.format('risk.yaml')}# Risk signals\n",
        f"{_TIERS} How each is reckoned is said in [risk](definitions/risk.md). A signal is a "
        "reason to look, never a verdict; flags on staff and prescribers are shown in "
        "`restricted/` alone.\n",
        "## Levels, exposure, people\n",
        _table(
            (where.replace("_", " "), _risk_fact(fact), fact.tier, _source(fact, held.sources))
            for where, fact in held.facts().items()
            if not isinstance(fact, Signal)
        ),
    ]
    for about in dict.fromkeys(signal.about for signal in held.signals):
        parts.append(f"## Of a {about}\n" if about != "staff" else "## Of staff\n")
        parts += [_signal(each, held) for each in held.signals if each.about == about]
    return "\n".join(parts)


def _risk_fact(fact: Fact) -> str:
    match fact:
        case Levels():
            return ", ".join(f"{each.level} from {each.score_least}" for each in fact.of)
        case Holidays():
            return "federal holidays, by their day: see the file"
        case People():
            keys = "; or ".join(", ".join(columns) for columns in fact.keys)
            compared = "; ".join(
                f"{of.column} " + ", ".join(f"m {c.m:g} u {c.u:g}" for c in of.chances)
                for of in fact.compared
            )
            return (
                f"the same {keys}; else likely from {fact.threshold:g} on, with a prior of "
                f"{fact.prior:g}, {' and '.join(fact.needed)} the same or alike. Chances of the "
                f"same (and of alike): {compared}"
            )
    return _plain(fact)


def _signal(signal: Signal, held: Risk) -> str:
    flagged = f"from {signal.at_least:g}" if signal.at_least is not None else "by its peers"
    if signal.band is not None:
        band = f"{signal.band.instrument} {signal.band.name}"
        flagged = f"{band}, {flagged}" if signal.at_least is not None else band
    more = "".join(f"; {name} {value:g}" for name, value in signal.parameters.items())
    more += f"; {', '.join(signal.kinds)}" if signal.kinds else ""
    window = f", in {signal.window.words} up to as_of" if signal.window else ""
    exact = "exact" if signal.exact else "a comparison, which may miss what is there"
    alone = "; missing data alone can make it" if signal.missing_alone else ""
    source = _source(signal, held.sources)
    return (
        f"### `{signal.id}`\n{signal.title}. **{signal.points} "
        f"point{'s' if signal.points > 1 else ''}** {flagged} `{signal.observed}`{more}{window}; "
        f"{exact}{alone}. Tier {signal.tier}{f': {source}' if source else '.'}\n\n"
        f"*Can't know*: {signal.cannot_know}\n\n*Can mislead*: {signal.misleads}\n"
    )


def _confirmed(check: CodeCheck) -> str:
    return f"Confirmed {check.confirmed_on}." if check.confirmed_on else ""


def _checked(check: CodeCheck) -> str:
    said = check.model_dump(mode="json", by_alias=True, include={check.aspect}, exclude_none=True)
    (value,) = said.values()
    return f"{', '.join(check.codes)}: {check.aspect.replace('_', ' ')} {_value(value)}"


def _words(scale: Instrument, fact: Fact) -> str:
    match fact:
        case Items():
            most = fact.most
            top = "/".join(f"{m:g}" for m in most) if isinstance(most, tuple) else f"{most:g}" if (
                most is not None) else "?"  # fmt: skip
            codes = ", ".join(f"{code:g}" for code in fact.missing_codes)
            more = f"; {codes} are missing, not scores" if codes else ""
            return f"{fact.count} items of {fact.least:g} to {top}{more}"
        case Scoring():
            said = _SCORED[fact.by]
            if fact.domains:
                said += ": " + ", ".join("-".join(map(str, part)) for part in fact.domains)
            for level in fact.levels:
                said += f"; {level.level}: any of {', '.join(map(str, level.any_of))}"
            if fact.prorate:
                return f"{said}; up to {fact.prorate} missing items are prorated, half to even"
            return said
        case Bands():
            return "; ".join(
                f"{band.name} {band.least:g}-{band.most:g}" + (f" ({band.sex})" if band.sex else "")
                for band in fact.of
            )
        case Remission():
            bound = f"at most {fact.cut:g}"
            return bound + "".join(f"; others: {other.cut:g}" for other in fact.others)
        case ReliableChange() if fact.points is not None:
            return f"{fact.points:g} points or more"
    return _plain(fact)


def _plain(fact: Fact) -> str:
    said = fact.model_dump(mode="json", exclude={"tier", "source", "note"}, exclude_none=True)
    return "; ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in said.items())


def _value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(held)}" for key, held in value.items())
    if isinstance(value, list):
        return ", ".join(_value(held) for held in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _source(fact: Fact, sources: dict[str, Source]) -> str:
    note = f" {fact.note}" if fact.note else ""
    if fact.source is None:
        return note.strip()
    held = sources[fact.source]
    cited = f"[{held.citation}]({held.where})" if held.where else held.citation
    return f"{cited} ({held.status}).{note}"


def _table(rows: Iterable[Iterable[str]]) -> str:
    lines = [("Fact", "Value", "Tier", "Source and note"), ("---",) * 4, *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference")
    for name, text in pages().items():
        (target / name).write_text(text, encoding="utf-8")
