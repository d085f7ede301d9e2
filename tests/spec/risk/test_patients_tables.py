"""The tables of patients' signals hold, of the engine and of the oracle alike."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.risk import oracle_patients as oracle
from tests.risk.patients import observed
from tests.spec.outcomes.tables import Cells, Section, sections

HERE = Path(__file__).parent
DAY = datetime(2025, 3, 4, 12, tzinfo=UTC)
AS_OF = DAY + timedelta(days=299, hours=12)
SCALES = {"audit-c": "AUDIT-C", "dast-10": "DAST-10", "urinary-symptoms": "BPIC-SS"}
WHO = {"clinic_id": "a", "patient_id": "p"}


def at(day: str) -> datetime:
    return DAY + timedelta(days=int(day) - 1)


def parts(line: Cells, column: str) -> list[str]:
    text = line.get(column, "-")
    return [] if text == "-" else text.split(", ")


def known(text: str) -> str | None:
    return None if text == "-" else text


def add(world: oracle.PatientWorld, name: str, place: int, **values: object) -> None:
    """A row of the line's person, whose records at clinic b are of the same person."""
    rows = world.rows[name]
    rows.append(WHO | {"person": f"{place}", "patient_id": f"p{place}"} | values)


def world_of(section: Section) -> oracle.PatientWorld:
    """Each line is a person of its own."""
    world = oracle.PatientWorld(AS_OF, {"a": "UTC", "b": "UTC"})
    for place, line in enumerate(section.lines):
        add_supplies(world, place, line)
        add_doses(world, place, line)
        add_screens(world, place, line, section.name)
    return world


def add_supplies(world: oracle.PatientWorld, place: int, line: Cells) -> None:
    for number, text in enumerate(parts(line, "supplies")):
        said = re.fullmatch(r"(\d+) (\S+)/(\S+)/(\d+)(?: @(\w))?", text)
        assert said is not None, text
        day, rx, prescriber, days, clinic = said.groups()
        add(world, "dispenses", place, clinic_id=clinic or "a", dispense_id=f"x{place}-{number}",
            rx_id=known(rx), prescriber_id=known(prescriber), days_supply=int(days),
            drug="ketamine", form="troche", amount_mg=3000.0, dispensed_at=at(day))  # fmt: skip
    for number, text in enumerate(parts(line, "reviews")):
        day, status = text.split()
        add(world, "reviews", place, contact_id=f"c{place}-{number}", kind="review", at=at(day),
            held=status == "held")  # fmt: skip


def add_doses(world: oracle.PatientWorld, place: int, line: Cells) -> None:
    response = {"yes": True, "no": False, "-": None}[line.get("response", "-")]
    for text in parts(line, "doses"):
        day, mg = text.split("=")
        session = f"s{place}-{day}"
        add(world, "doses", place, dose_id=f"d{place}-{day}", session_id=session, drug="ketamine",
            route=line.get("route", "IV"), amount_mg=float(mg), started_at=at(day))  # fmt: skip
        add(world, "courses", place, session_id=session, started_at=at(day), protocol="iv",
            course=1, course_started_at=DAY, response_latest=response)  # fmt: skip
    for text in parts(line, "findings"):
        day, kind = text.split()
        add(world, "findings", place, session_id=f"s{place}-{day}", started_at=at(day), kind=kind,
            reason="too many")  # fmt: skip


def add_screens(world: oracle.PatientWorld, place: int, line: Cells, signal: str) -> None:
    for number, text in enumerate(parts(line, "scores")):
        day, score = text.split("=")
        add(world, "scores", place, outcome_id=f"o{place}-{number}", at=at(day),
            scale=SCALES[signal], score=None if score == "-" else float(score),
            sex=known(line.get("sex", "-")))  # fmt: skip
    for number, text in enumerate(parts(line, "screens")):
        day, result, expected = text.split()
        add(world, "screenings", place, screening_id=f"u{place}-{number}", kind="uds", at=at(day),
            result=result,
            expected={"expected": True, "unexpected": False, "-": None}[expected])  # fmt: skip
    for number, text in enumerate(parts(line, "looked up")):
        result = "declined" if text.endswith("!") else "done"
        add(world, "screenings", place, screening_id=f"q{place}-{number}", kind="pdmp",
            at=at(text.rstrip("!")), result=result, expected=None)  # fmt: skip


@pytest.mark.parametrize("section", sections("patients", HERE), ids=lambda s: s.name)
def test_every_line_is_as_written(section: Section) -> None:
    together = "delivered" not in section.lines[0]  # else each line has a cut-off of its own
    groups = [section.lines] if together else [[line] for line in section.lines]
    for lines in groups:
        world = world_of(Section(section.name, "", lines))
        if lines[0].get("delivered", "never") != "never":
            world.screened_until["a"] = at(lines[0]["delivered"])
        for found in (observed(world), oracle.observations(world)):
            for place, line in enumerate(lines):
                expected = (line["observed"], line["flag"])
                assert told(found, place, section.name) == expected, line


def told(found: oracle.Found, place: int, signal: str) -> tuple[str, str]:
    """What was observed of a line, at whichever of the person's records."""
    mine = [found.get((clinic, f"p{place}", signal)) for clinic in "ab"]
    kept = [each for each in mine if each is not None]
    most = max((each.observed for each in kept), default=None)
    flag = any(each.observed >= each.threshold - 1e-9 for each in kept)
    return ("-" if most is None else f"{most:g}", "yes" if flag else "no")


def test_every_signal_of_patients_has_its_table() -> None:
    signals = {name for name, said in oracle.SIGNALS.items() if said["about"] == "patient"}
    assert {section.name for section in sections("patients", HERE)} == signals
