"""The tables of this folder hold, of the engine and of the oracle alike."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from tests.cost import oracle
from tests.cost.engine import Network, Row, found
from tests.spec.cost import tables
from tests.spec.outcomes.tables import Section

MONEY = {"drug": "drug_usd", "waste": "waste_usd", "staff": "staff_usd", "room": "room_usd",
         "supplies": "supplies_usd", "overhead": "overhead_usd", "cost": "cost_usd",
         "billed": "billed_usd", "allowed": "allowed_usd", "payer_paid": "payer_paid_usd",
         "patient_paid": "patient_paid_usd", "margin": "margin_usd"}  # fmt: skip


def one(rows: list[Row], clinic: str) -> Row:
    (row,) = [row for row in rows if row["clinic_id"] == clinic]
    return row


def both(network: Network, table: str, slow: Mapping[Any, Row], clinic: str) -> tuple[Row, Row]:
    """The clinic's only row of the engine and of the oracle."""
    (told,) = [row for key, row in slow.items() if key[0] == clinic]
    return one(_TOLD[id(network)][table], clinic), told


_TOLD: dict[int, dict[str, list[Row]]] = {}


def judged(network: Network) -> Network:
    _TOLD.clear()
    _TOLD[id(network)] = found(network)
    return network


def named(file: str, *names: str) -> Any:
    held = tables.held(file)
    assert set(names) <= set(held)
    return pytest.mark.parametrize("section", [pytest.param(held[n], id=n) for n in names])


@pytest.mark.parametrize(
    "section", [pytest.param(s, id=s.name) for s in tables.held("sessions").values()]
)
def test_sessions(section: Section) -> None:
    network = judged(tables.session_lines(section))
    slow = oracle.sessions(network)
    for clinic, line in tables.lines_of(section):
        fast, told = both(network, "cost_sessions", slow, clinic)
        for row in (fast, told):
            for column, text in line.items():
                if column in MONEY:
                    assert row[MONEY[column]] == tables.money(text), (clinic, column, line)
        if "missing" in line:
            assert set(line["missing"].split(", ")) == set(fast["missing"]) == told["lacks"]


@named("revenue", "Money and payer of a session")
def test_revenue(section: Section) -> None:
    network = judged(tables.revenue_lines(section))
    slow = oracle.sessions(network)
    for clinic, line in tables.lines_of(section):
        for row in both(network, "cost_sessions", slow, clinic):
            assert (row["payer_kind"] or "-") == line["payer_kind"]
            for column in ("billed", "allowed", "payer_paid", "patient_paid", "margin"):
                assert row[MONEY[column]] == tables.money(line[column]), (clinic, column, line)
            _near(row["patient_share"], line["patient_share"])


@named("revenue", "First answers, and days")
def test_answers(section: Section) -> None:
    network = judged(tables.answer_lines(section))
    slow = oracle.monthly(network)
    for clinic, line in tables.lines_of(section):
        for row in both(network, "cost_monthly", slow, clinic):
            _near(row["first_pass_denial_rate"], line["denial_rate"])
            _near(row["days_to_submit"], line["days_to_submit"])
            _near(row["days_to_payment"], line["days_to_payment"])


@named("groups", "A month")
def test_months(section: Section) -> None:
    network = judged(tables.month_lines(section))
    slow = oracle.monthly(network)
    for clinic, line in tables.lines_of(section):
        for row in both(network, "cost_monthly", slow, clinic):
            assert row["cost_usd"] == tables.money(line["cost"])
            assert row["cost_per_session_usd"] == tables.money(line["per_session"])
            assert row["cost_per_compliant_session_usd"] == tables.money(line["per_compliant"])
            assert row["sessions_costed"] == int(line["sessions_costed"])


@named("groups", "A cohort")
def test_cohorts(section: Section) -> None:
    network = judged(tables.cohort_lines(section))
    slow = oracle.cohorts(network)
    columns = {
        "cost": "cost_usd", "per_responder": "cost_per_responder_usd",
        "per_remitter": "cost_per_remitter_usd", "by_outcome": "cost_by_outcome_usd",
        "per_response_month": "cost_per_response_month_usd",
    }  # fmt: skip
    for clinic, line in tables.lines_of(section):
        for row in both(network, "cost_cohorts", slow, clinic):
            assert {name: row[held] for name, held in columns.items()} == {
                name: tables.money(line[name]) for name in columns
            }, line


@named("groups", "The end of a course")
def test_ends_of_courses(section: Section) -> None:
    network = judged(tables.course_lines(section))
    slow = oracle.courses(network)
    for clinic, line in tables.lines_of(section):
        for row in both(network, "cost_courses", slow, clinic):
            assert row["ended"] == tables.truth(line["ended"]), line
            assert row["ended_after_bill"] == tables.truth(line["ended_after_bill"]), line


@named("groups", "No-shows")
def test_no_shows(section: Section) -> None:
    network = judged(tables.no_show_lines(section))
    slow = oracle.no_shows(network)
    for clinic, line in tables.lines_of(section):
        for row in both(network, "cost_no_shows", slow, clinic):
            assert row["cost_usd"] == tables.money(line["cost"]), line


@named("billing", "Esketamine", "Infusions and injections")
def test_billing(section: Section) -> None:
    network = judged(tables.billing_lines(section))
    fast = {
        (row["clinic_id"], row["check_id"]): row["status"]
        for row in _TOLD[id(network)]["billing_findings"]
    }
    slow = {(key[0], key[2]): status for key, status in oracle.findings(network).items()}
    expected = {
        (clinic, text.rstrip("?")): "not_evaluable" if text.endswith("?") else "disagrees"
        for clinic, line in tables.lines_of(section)
        for text in ([] if line["found"] == "-" else line["found"].split(", "))
    }
    assert fast == slow == expected


def _near(value: float | None, text: str) -> None:
    expected = None if text == "-" else float(Decimal(text))
    assert value == (None if expected is None else pytest.approx(expected, abs=1e-9))
