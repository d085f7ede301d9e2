"""Worked examples of a protocol, run through the engine: what a file says must be what it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from checks.contract import contracts
from protocols.evaluate import judge
from protocols.facts import Facts, schema
from protocols.judged import IDS
from protocols.model import Example, Protocol

CLINIC = "example"
AS_OF = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Mismatch:
    """A worked example whose verdict is not the one that the file expects."""

    example: str
    rule_id: str
    expected: str
    found: str


def run_examples(protocol: Protocol) -> list[Mismatch]:
    """Every verdict of a protocol's worked examples that is not the expected one."""
    return [mismatch for example in protocol.examples for mismatch in _run(protocol, example)]


def _run(protocol: Protocol, example: Example) -> list[Mismatch]:
    judgement = judge([protocol], example_facts(protocol, example))
    mine = judgement.subjects.filter(pl.col("subject_id") == "example")
    rows = judgement.verdicts.join(mine, on="subject_no").join(judgement.rules, on="rule_no")
    found = dict(zip(rows["rule_id"], rows["status"], strict=True))
    return [
        Mismatch(example.title, rule, expected, found.get(rule, "not judged"))
        for rule, expected in example.expect.items()
        if found.get(rule) != expected
    ]


def example_facts(protocol: Protocol, example: Example) -> Facts:
    """An example as facts: one clinic in UTC, one patient, everything delivered long after."""
    judges, key = protocol.judges, IDS[protocol.judges]
    subject = {"patient_id": "patient", **example.row, key: "example"}
    feeds: dict[str, list[Mapping[str, Any]]] = {feed: [] for feed in contracts()}
    feeds["clinics"] = [{"clinic_id": CLINIC, "name": "Example", "time_zone": "UTC"}]
    feeds["patients"] = [{"patient_id": "patient", **example.patient}]
    feeds[judges] = [subject]
    for feed, rows in example.feeds.items():
        own = contracts()[feed].id_column
        filled = {"patient_id": "patient"}
        if judges == "sessions" and feed in ("vitals", "doses", "events"):
            filled["session_id"] = "example"
        feeds[feed] += [
            {own: f"{feed} {at}", **filled, **row} for at, row in enumerate(rows, start=1)
        ]
    cutoffs = pl.DataFrame(
        [{"clinic_id": CLINIC, "feed": feed, "cutoff": AS_OF} for feed in contracts()]
    )
    quarantined = pl.DataFrame(
        schema=dict.fromkeys(("clinic_id", "feed", "session_id", "patient_id"), pl.String)
    )
    return Facts(
        {feed: _frame(feed, rows) for feed, rows in feeds.items()}, cutoffs, quarantined, AS_OF
    )


def _frame(feed: str, rows: list[Mapping[str, Any]]) -> pl.LazyFrame:
    types = schema(contracts()[feed])
    texts = [
        {name: CLINIC if name == "clinic_id" else row.get(name) for name in types} for row in rows
    ]
    frame = pl.LazyFrame(texts, schema=dict.fromkeys(types, pl.String))
    return frame.with_columns(_read(name, kind) for name, kind in types.items())


def _read(name: str, kind: pl.DataType) -> pl.Expr:
    text = pl.col(name)
    if isinstance(kind, pl.Datetime):
        return text.str.to_datetime(time_unit="us", time_zone="UTC", strict=True)
    if kind == pl.Date():
        return text.str.to_date()
    if kind == pl.Boolean():
        return text == "true"
    return text.cast(kind)
