"""Worked examples of a protocol, run through the engine: what a file says must be what it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from checks.contract import contracts
from protocols.evaluate import judge
from protocols.facts import Facts, schema
from protocols.judged import IDS
from protocols.model import Example, Protocol, Status
from protocols.readings import typed

AS_OF = datetime(2100, 1, 1, tzinfo=UTC)
NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class Mismatch:
    """A worked example whose verdict is not the one that the file expects, and why it is not."""

    at: int
    example: str
    rule_id: str
    expected: str
    found: str
    reason: str | None


@dataclass(frozen=True)
class Trial:
    """A protocol's worked examples, each with its mismatches."""

    protocol: Protocol
    outcomes: tuple[tuple[Example, tuple[Mismatch, ...]], ...]

    @property
    def holds(self) -> bool:
        """Whether every verdict is the expected one."""
        return not any(wrong for _, wrong in self.outcomes)

    @property
    def verdicts(self) -> int:
        """How many verdicts the examples expect."""
        return sum(len(example.expect) for example, _ in self.outcomes)

    @property
    def unshown(self) -> list[str]:
        """What no example shows: a rule met, or not met."""
        shown = {
            (rule, status)
            for example, _ in self.outcomes
            for rule, status in example.expect.items()
        }
        wanted: tuple[tuple[Status, str], ...] = (("met", "met"), ("not_met", "not met"))
        return [
            f"{rule.id} {said}"
            for rule in self.protocol.rules
            for status, said in wanted
            if (rule.id, status) not in shown
        ]

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        failed = [one for _, wrong in self.outcomes for one in wrong]
        return {
            "protocol": self.protocol.protocol,
            "version": self.protocol.version,
            "examples": len(self.outcomes),
            "verdicts": self.verdicts,
            "failed": [asdict(one) for one in failed],
            "not_shown": self.unshown,
        }


def tried(protocol: Protocol) -> Trial:
    """Every worked example, run."""
    found = run_examples(protocol)
    return Trial(
        protocol,
        tuple(
            (example, tuple(one for one in found if one.at == at))
            for at, example in enumerate(protocol.examples)
        ),
    )


def run_examples(protocol: Protocol) -> list[Mismatch]:
    """Every verdict of a protocol's worked examples that is not the expected one."""
    return [
        Mismatch(at, example.title, rule, expected, *found.get(rule, (NOT_JUDGED, None)))
        for at, found in enumerate(_example_verdicts(protocol))
        for example in (protocol.examples[at],)
        for rule, expected in example.expect.items()
        if found.get(rule, (NOT_JUDGED, None))[0] != expected
    ]


def _example_verdicts(protocol: Protocol) -> list[dict[str, tuple[str, str | None]]]:
    """Rule to status and reason for each worked example; nothing for one that is not judged."""
    # Each example is a clinic of its own, on a day of its own: a draft's lie before it is in force.
    anywhere = protocol.always().model_copy(update={"clinics": None})
    judgement = judge([anywhere], example_facts(protocol, protocol.examples))
    rows = (
        judgement.verdicts.join(judgement.subjects, on="subject_no")
        .join(judgement.rules, on="rule_no")
        .join(judgement.words, on=["subject_no", "rule_no"], how="left")
        .filter(pl.col("subject_id") == "example")
    )
    found: dict[str, dict[str, tuple[str, str | None]]] = {}
    for row in rows.iter_rows(named=True):
        found.setdefault(row["clinic_id"], {})[row["rule_id"]] = (row["status"], row["reason"])
    return [found.get(_clinic(at), {}) for at in range(len(protocol.examples))]


def example_facts(protocol: Protocol, examples: Sequence[Example]) -> Facts:
    """Examples as facts, each a clinic in UTC with one patient; all was delivered long after."""
    rows: dict[str, list[dict[str, Any]]] = {feed: [] for feed in contracts()}
    for at, example in enumerate(examples):
        for feed, own in _rows(protocol, example).items():
            rows[feed] += [{**row, "clinic_id": _clinic(at)} for row in own]
    cutoffs = pl.DataFrame(
        [
            {"clinic_id": _clinic(at), "feed": feed, "cutoff": AS_OF}
            for at in range(len(examples))
            for feed in contracts()
        ],
        schema={"clinic_id": pl.String, "feed": pl.String, "cutoff": pl.Datetime("us", "UTC")},
    )
    quarantined = pl.DataFrame(
        schema=dict.fromkeys(("clinic_id", "feed", "session_id", "patient_id"), pl.String)
    )
    frames = {feed: _frame(feed, own) for feed, own in rows.items()}
    return Facts(frames, cutoffs, quarantined, AS_OF)


def _clinic(at: int) -> str:
    return f"example {at + 1}"


def _rows(protocol: Protocol, example: Example) -> dict[str, list[dict[str, Any]]]:
    """One example's rows of each feed, typed, with the ids that it need not write."""
    judges, key = protocol.judges, IDS[protocol.judges]
    clinic = {"name": "Example", "time_zone": "UTC"}
    rows: dict[str, list[dict[str, Any]]] = {
        "clinics": [{**clinic, **one} for one in _typed(example, "clinics")] or [clinic],
        "patients": [{"patient_id": "patient", **typed("patients", example.patient)}],
        judges: [{"patient_id": "patient", **typed(judges, example.row), key: "example"}],
    }
    for feed in example.feeds:
        if feed == "clinics":
            continue
        own = contracts()[feed].id_column
        filled = {"patient_id": "patient"}
        if judges == "sessions" and feed in ("vitals", "doses", "events"):
            filled["session_id"] = "example"
        rows[feed] = rows.get(feed, []) + [
            {own: f"{feed} {at}", **filled, **row}
            for at, row in enumerate(_typed(example, feed), start=1)
        ]
    return rows


def _typed(example: Example, feed: str) -> list[dict[str, Any]]:
    return [typed(feed, row) for row in example.feeds.get(feed, [])]


def _frame(feed: str, rows: Sequence[Mapping[str, Any]]) -> pl.LazyFrame:
    types = schema(contracts()[feed])
    return pl.LazyFrame([{name: row.get(name) for name in types} for row in rows], schema=types)
