"""Whatever changes in a protocol is told, in words; a rule's words say all that it asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from protocols.description import described, rules_as_data
from protocols.differences import differences
from protocols.expressions import compile_expression
from protocols.kinds import kinds
from protocols.load import load_protocol
from protocols.model import Protocol
from protocols.words import expression_words

FILE = """\
protocol: all-kinds
version: 1.0.0
title: One rule of each kind
effective: {from: 2025-01-01, to: 2025-12-31}
in_force_by: session
approved_by: A. Director
approved_on: 2024-12-01
change_note: First
drug: ketamine
programs: [iv_ketamine]
clinics: [north]
population: age_years >= 18
course: {gap: 60d}
primary: {instrument: PHQ-9, day: 28, within: 7}
sources:
  trial: {citation: A trial, tier: T3}
  other: {citation: Another, tier: T3, confidence: recalled}
measures:
  lowest: {of: vitals, window: [started_at, ended_at], among: oxygen, link: session, take: min,
           expr: spo2_pct}
rules:
  - {id: value, title: Value, kind: value, severity: major, tier: T3, source: trial, target: 0.9,
     note: Confirm it, when: course_index > 1, missing: not_met, expr: dose_mg_per_kg,
     min: 0.1, max: 1.0}
  - {id: listed, title: Listed, kind: value, severity: major, tier: T4, expr: route, in: [IV, IM]}
  - {id: truth, title: Truth, kind: value, severity: major, tier: T4, expr: escort_confirmed,
     is: true}
  - {id: elapsed, title: Elapsed, kind: elapsed, severity: major, tier: T4, from: started_at,
     to: ended_at, min: 30m, grace: 7cd}
  - {id: occurrence, title: Occurrence, kind: occurrence, severity: major, tier: T4, of: vitals,
     window: [started_at - 30m, started_at], among: spo2_pct is not null, where: spo2_pct > 90,
     pick: last, at_least: 1, at_most: 4, link: session}
  - {id: cadence, title: Cadence, kind: cadence, severity: major, tier: T4, of: vitals,
     window: [started_at, ended_at], every: 15m, tolerance: 1m, ends: start, link: session,
     among: spo2_pct > 0}
  - {id: rate, title: Rate, kind: rate, severity: major, tier: T4, within: 7d, at_most: 3,
     across: protocol}
  - {id: change, title: Change, kind: change, severity: major, tier: T4, expr: dose_mg,
     max_increase: 10, max_decrease: 20, max_increase_pct: 30, max_decrease_pct: 40}
  - {id: response, title: Response, kind: response, severity: major, tier: T4,
     trigger: {of: vitals, window: [started_at, null], among: oxygen, where: spo2_pct < 90,
               link: session},
     then: {of: vitals, where: spo2_pct > 94, within: 15m, link: session}}
examples:
  - title: High
    row: {status: completed}
    expect: {value: not_met}
"""
# Another value for each name, by what it is now or by name.
OTHERS: dict[str, Any] = {
    "kind": None, "judges": None, "id": None, "protocol": "another", "version": "1.0.1",
    "from": None, "to": None, "of": "doses", "take": "max", "link": "patient", "pick": "first",
    "ends": "end", "across": "patient", "severity": "minor", "missing": "met", "source": "other",
    "tier": None, "in_force_by": "course", "window": ["ended_at - 1h", "ended_at + 7cd"],
    "expr": None, "where": None, "among": None, "when": "course_index > 2",
    "population": "age_years >= 21", "every": "20m", "tolerance": "2m", "within": None,
    "grace": "8cd", "gap": "61d", "min": None, "max": None, "in": ["IV", "SC"], "is": False,
    "target": 0.8, "at_least": 2, "at_most": 5, "confidence": "seen",
}  # fmt: skip


def parsed() -> dict[str, Any]:
    data: dict[str, Any] = YAML(typ="safe", pure=True).load(FILE)
    return data


def leaves(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every path to a value that may be changed; windows and lists as one."""
    if isinstance(part, dict):
        for name, value in part.items():
            yield from leaves(value, (*path, name))
    elif isinstance(part, list) and part and isinstance(part[0], dict):
        for at, value in enumerate(part):
            yield from leaves(value, (*path, at))
    else:
        yield path


PATHS = [path for path in leaves(parsed()) if path[-1] not in ("kind", "id", "tier")]


def other(path: tuple[Any, ...], now: Any) -> Any:
    name = path[-1]
    if OTHERS.get(name) is not None:
        return OTHERS[name]
    if isinstance(now, bool):
        return not now
    if isinstance(now, int | float):
        return now * 1.5 if isinstance(now, float) else now + 1
    if isinstance(now, date):
        return now.replace(day=2 if now.day != 2 else 3)
    if isinstance(now, list):
        return [f"{item}x" for item in now]
    numbered = {"30m": "40m", "15m": "16m", "7d": "7cd", "started_at": "arrived_at",
                "ended_at": "ready_at", "dose_mg_per_kg": "dose_mg", "route": "drug",
                "escort_confirmed": "not escort_confirmed", "spo2_pct": "heart_rate_bpm",
                "oxygen": "not oxygen", "dose_mg": "dose_count", "not_met": "met",
                "completed": "aborted"}  # fmt: skip
    if now in numbered:
        return numbered[now]
    return now.replace("spo2_pct", "heart_rate_bpm") if "spo2" in now else f"{now}x"


@pytest.mark.parametrize("path", PATHS, ids=[".".join(map(str, path)) for path in PATHS])
def test_no_change_goes_untold(path: tuple[Any, ...]) -> None:
    old, new = parsed(), parsed()
    part = new
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = other(path, part[path[-1]])
    assert part[path[-1]] != parsed_at(path)
    told = differences(Protocol.model_validate(old), Protocol.model_validate(new))
    assert len(told) == 1 or path[-1] == "expr", told  # limits come with the value's unit
    assert told
    assert all(line.isprintable() and "None" not in line for line in told)


def parsed_at(path: tuple[Any, ...]) -> Any:
    part: Any = parsed()
    for step in path:
        part = part[step]
    return part


def test_nothing_changed_is_nothing_told() -> None:
    one = Protocol.model_validate(parsed())
    assert differences(one, Protocol.model_validate(parsed())) == []


def test_what_comes_and_goes_is_told() -> None:
    new = parsed()
    del new["rules"][0]["when"], new["rules"][0]["min"], new["effective"]["to"]
    new["rules"] = [rule for rule in new["rules"] if rule["id"] != "rate"]
    new["measures"] = {}
    new["sources"]["more"] = {"citation": "More", "tier": "T2", "confidence": "recalled"}
    new["rules"][1] |= {"kind": "value", "expr": "weight_kg", "max": 200, "in": None}
    told = differences(Protocol.model_validate(parsed()), Protocol.model_validate(new))
    assert told == [
        "in force: from 2025-01-01 to 2025-12-31 became from 2025-01-01 on",
        "rule rate was dropped (Rate)",
        "rule value: no longer at least 0.1 mg/kg",
        "rule value: only if: no longer course index above 1",
        "rule listed: route became weight",
        "rule listed: no longer one of IV, IM",
        "rule listed: now at most 200 kg",
        "measure lowest was dropped",
        "source more is new (T2): More (recalled, not read: confirm before relying on it)",
    ]


def test_another_kind_is_told_with_both_sentences() -> None:
    new = parsed()
    new["rules"][2] = {"id": "truth", "title": "Truth", "kind": "rate", "severity": "major",
                       "tier": "T4", "within": "7d", "at_most": 3}  # fmt: skip
    told = differences(Protocol.model_validate(parsed()), Protocol.model_validate(new))
    assert told == [
        "rule truth: `Escort confirmed: must be yes` became `How often this protocol judges the "
        "patient: at most 3, within 7 days, this one included`",
        "rule truth: not charted: no longer not evaluable",
    ]


def test_the_file_of_all_kinds_can_be_loaded_and_described(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(FILE)
    protocol = load_protocol(path)
    assert {rule.kind for rule in protocol.rules} == set(kinds())
    said = described(protocol, 80)
    assert all(rule.title in said for rule in protocol.rules)
    assert "None" not in said
    assert "the smallest SpO2 of vital signs" in said
    assert "Note         Confirm it" in said


def test_what_was_recalled_is_said_with_its_citation(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(FILE.replace("citation: A trial,", "citation: A trial, confidence: recalled,"))
    protocol = load_protocol(path)
    assert "A trial (recalled, not read: confirm" in " ".join(described(protocol, 200).split())
    first = rules_as_data(protocol)[0]
    assert (first["confidence"], first["note"]) == ("recalled", "Confirm it")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("systolic_mmhg between 90 and 180", "systolic between 90 and 180 mmHg"),
        ("spo2_pct >= 95 and not (heart_rate_bpm > 120)",
         "SpO2 at least 95 % and not (heart rate above 120 per minute)"),
        ("instrument in ('PHQ-9', 'MADRS')", "instrument PHQ-9 or MADRS"),
        ("instrument not in ('PHQ-9', 'MADRS')", "instrument neither PHQ-9 nor MADRS"),
        ("total is not null", "total charted"),
        ("total is null", "total not charted"),
        ("serious is true", "serious yes"),
        ("serious is not true", "serious not surely yes"),
        ("staff.role = 'nurse'", "that person's role nurse"),
        ("this.course_started_at < started_at",
         "the subject's start of the course before the start"),
        ("staff.acls_expires_on >= this.local_date",
         "that person's ACLS expires on no earlier than the subject's day itself"),
        ("issued_on >= date '2026-01-01'", "issued on no earlier than 2026-01-01"),
        ("local_date - consent_signed_on > 365",
         "the day itself minus consent signed on above 365"),
        ("weight_kg - 1 <> -2", "weight minus 1 other than -2"),
        ("'a_b' = kind", "a_b kind"),
        ("name like 'x%'", "name like x%"),
        ("case when serious then 1 else 2 end = 1", "1 if serious, else 2 1"),
        ("coalesce(a, b) > least(1, 2)", "a, or without it b above the smallest of 1, 2"),
        ("abs(round(a, 1)) = 1", "the size of a rounded to 1 decimals 1"),
    ],
)  # fmt: skip
def test_expressions_read_aloud(text: str, words: str) -> None:
    assert expression_words(text) == words


def test_every_allowed_expression_has_words() -> None:
    columns = {"a": "number", "s": "text", "f": "bool", "t": "timestamp", "d": "date"}
    for text in (
        "a + 1 = a * 2 / 3", "t + interval '2 hours' > timestamptz '2025-01-01T00:00:00Z'",
        "d - date '2025-01-01' > 1", "greatest(a, 1) is null", "f is not false", "-a < 1",
        "s not like 'x'", "not f", "not a between 1 and 2",
    ):  # fmt: skip
        compile_expression(text, columns)  # type: ignore[arg-type]
        assert expression_words(text)
