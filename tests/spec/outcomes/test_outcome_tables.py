"""The tables of this folder hold, of the engine and of the oracle alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flows.metrics.durability import kaplan_meier
from tests.outcomes import oracle
from tests.outcomes.engine import found_courses, found_screens, scores
from tests.spec.outcomes.tables import (
    Network,
    Section,
    courses,
    moment,
    number,
    screens,
    sections,
    truth,
)
from tests.worlds import as_facts

MOMENTS = {"responded": "responded_at", "relapsed": "relapsed_at", "followed": "followed_until"}
BOOLEANS = ("response_ever", "response_latest", "remission_latest", "response_at_induction_end",
            "mature")  # fmt: skip
NUMBERS = ("baseline", "latest", "best", "induction_end", "days_to_response")


def each(file: str) -> Any:
    held = sections(file)
    return pytest.mark.parametrize("section", [pytest.param(s, id=s.name) for s in held])


@each("scoring")
def test_scores(section: Section) -> None:
    network = Network()
    for at, line in enumerate(section.lines, start=1):
        version = line.get("version", "-")
        network.clinic(f"line {at}")
        network.add("outcomes", f"line {at}", outcome_id="o", instrument=line["instrument"],
                    instrument_version=None if version == "-" else version,
                    administered_at=moment("1"), total=number(line["total"]),
                    items=None if line["items"] == "-" else line["items"])  # fmt: skip
    found = scores(as_facts(network.world)).collect().to_dicts()
    told = {row["clinic_id"]: row for row in found}
    for at, line in enumerate(section.lines, start=1):
        for row in (told[f"line {at}"], oracle.score(network.facts["outcomes"][at - 1])):
            assert row["score"] == number(line["score"]), (at, line)
            assert (row["warning"] or "-") == line["warning"], (at, line)
            assert row["prorated"] == truth(line.get("prorated", "no")), (at, line)


@each("courses")
def test_courses(section: Section) -> None:
    world, protocol = courses(section)
    rows = found_courses(world, protocol).to_dicts()
    engine = {row["clinic_id"]: row for row in rows if row["course"] == 1}
    said = oracle.outcome_courses(world, protocol)
    slow = {key[0]: row for key, row in said.items() if key[2] == 1}
    for at, line in enumerate(section.lines, start=1):
        for found in (engine[f"line {at}"], slow[f"line {at}"]):
            for column, text in line.items():
                if column in ("sessions", "scores", "cut-off day"):
                    continue
                name = MOMENTS.get(column, column)
                assert _said(column, found[name]) == _expected(column, text), (at, column, line)


def _expected(column: str, text: str) -> Any:
    if column in BOOLEANS:
        return truth(text)
    if column in NUMBERS or column in MOMENTS:
        return number(text)
    return None if text == "-" else text


def _said(column: str, value: Any) -> Any:
    """Moments as days of the course."""
    if column in MOMENTS and value is not None:
        return (value.date() - moment("1").date()).days + 1
    return value


@each("screens")
def test_screens(section: Section) -> None:
    world = screens(section)
    engine = {
        row["clinic_id"]: (row["level"], row["hours"], row["status"])
        for row in found_screens(world)
    }
    slow = {
        clinic: (level, (at - moment("1")).total_seconds() / 3600 if at else None, status)
        for (clinic, _), (level, at, status) in oracle.suicidality(world).items()
    }
    expected = {
        f"line {at}": (line["level"], number(line["hours"]), line["status"])
        for at, line in enumerate(section.lines, start=1)
        if line["level"] != "no row"
    }
    assert engine == slow == expected


@pytest.mark.parametrize("curve", [kaplan_meier, oracle.kaplan_meier])
@each("durability")
def test_curves(section: Section, curve: Callable[..., list[dict[str, Any]]]) -> None:
    spans = [text.strip() for text in section.text.strip().split(",")]
    days, relapsed = [int(s.rstrip("+")) for s in spans], [not s.endswith("+") for s in spans]
    found = {point["day"]: point for point in curve(days, relapsed)}
    for line in section.lines:
        point = found[int(line["day"])]
        counts = [int(line[name]) for name in ("at_risk", "relapsed", "censored")]
        assert [point[name] for name in ("at_risk", "relapsed", "censored")] == counts
        assert point["survival"] == pytest.approx(float(line["survival"]), abs=5e-5)
    assert sum(point["relapsed"] for point in found.values()) == sum(relapsed)
    assert sum(point["censored"] for point in found.values()) == len(days) - sum(relapsed)
