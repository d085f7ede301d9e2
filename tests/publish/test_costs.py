"""Cost through whole nights: from deliveries to published tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from flows.costs import MARTS
from tests.publish.nights import INFUSIONS, Nights, plain_nights

PRIMARY = INFUSIONS.replace(
    "rules:", "course: {gap: 60d}\nprimary: {instrument: PHQ-9, day: 28, within: 7}\nrules:", 1
)
LATER = datetime(2026, 9, 1, tzinfo=UTC)
RATES = {
    "ketamine_mg": "0.02", "room_hour": "30", "nurse_hour": "60", "nurse_minutes_session": "70",
    "supplies_session": "24", "overhead_session": "41",
}  # fmt: skip


def charge(name: str, session: str, status: str, extracted: str, **more: str) -> dict[str, str]:
    return {
        "charge_id": name, "patient_id": "p1", "session_id": session, "service_on": "2026-05-04",
        "code": "96365", "units": "1", "payer_kind": "commercial", "billed_usd": "550",
        "status": status, "submitted_on": "2026-05-06", "extracted_at": extracted,
    } | more  # fmt: skip


def answered(name: str, session: str, patient: str, at: str, items: str) -> dict[str, str]:
    return {"outcome_id": name, "patient_id": patient, "session_id": session, "items": items,
            "instrument": "PHQ-9", "administered_at": f"2026-{at}"}  # fmt: skip


@pytest.fixture(scope="module")
def billed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    """Two nights that nothing more is delivered to."""
    with plain_nights():
        yield two_nights(Nights(tmp_path_factory.mktemp("billed")))


def two_nights(nights: Nights) -> Nights:
    """Two sessions of one patient, who responds; a third whose stay is not known, a no-show; a
    charge that is denied and then paid."""
    nights.write_protocol("infusions.yaml", PRIMARY)
    stay = {"arrived_at": "2026-05-04T09:30", "discharged_at": "2026-05-04T12:30"}
    nights.sessions(
        "north/a",
        nights.session("s1", day="2026-05-04", **stay),
        nights.session("s2", day="2026-05-11", minutes=20,
                       arrived_at="2026-05-11T09:30", discharged_at="2026-05-11T11:30"),
        nights.session("s3", patient="p2", day="2026-05-05"),
    )  # fmt: skip
    nights.rows("north/sessions_missed.csv", [
        {"session_id": "s4", "patient_id": "p2", "program": "iv_ketamine", "status": "no_show",
         "scheduled_at": "2026-05-12T10:00", "scheduled_minutes": "150"},
    ])  # fmt: skip
    nights.rows("_network/rates_a.csv", [
        {"clinic_id": "", "rate_id": str(at), "resource": name, "amount": amount,
         "effective_from": "2026-01-01"}
        for at, (name, amount) in enumerate(RATES.items())
    ])  # fmt: skip
    nights.rows("north/charges_a.csv", [
        charge("x1", "s1", "denied", "2026-06-01T00:00Z", adjudicated_on="2026-05-20"),
        charge("x2", "s2", "pending", "2026-06-01T00:00Z"),
    ])  # fmt: skip
    nights.rows("north/outcomes_a.csv", [
        answered("o1", "", "p1", "05-03T09:00", "2;2;2;2;2;2;2;2;2"),
        answered("o2", "s1", "p1", "05-04T14:00", "2;2;2;2;2;2;2;2;2"),
        answered("o3", "", "p1", "05-31T09:00", "1;1;1;1;1;0;0;0;0"),
    ])  # fmt: skip
    nights.publish(as_of=LATER)
    nights.rows("north/charges_b.csv", [
        charge("x1", "s1", "paid", "2026-07-01T00:00Z", adjudicated_on="2026-06-20",
               allowed_usd="341", payer_paid_usd="272.8", patient_owed_usd="68.2",
               patient_paid_usd="68.2", billed_to_patient_on="2026-06-25"),
    ])  # fmt: skip
    nights.publish()
    return nights


def test_a_session_is_costed_by_part_and_what_it_lacks_is_named(billed: Nights) -> None:
    rows = billed.read(
        "SELECT session_id, drug_usd, waste_usd, staff_usd, room_usd, supplies_usd, overhead_usd, "
        "cost_usd, margin_usd, missing FROM marts.cost_sessions ORDER BY 1"
    )
    half = Decimal("0.8"), 0, 70
    assert rows == [
        ("s1", *half, 90, 24, 41, Decimal("225.8"), Decimal("341") - Decimal("225.8"), []),
        ("s2", *half, 60, 24, 41, Decimal("195.8"), -Decimal("195.8"), []),
        ("s3", *half, None, 24, 41, None, None, ["arrived_at", "discharged_at"]),
    ]
    assert billed.read("SELECT missing, sessions FROM marts.cost_missing ORDER BY 1") == [
        ("arrived_at", 1), ("discharged_at", 1),
    ]  # fmt: skip


def test_a_month_counts_the_first_answer_of_a_charge_that_was_paid_later(billed: Nights) -> None:
    assert billed.read(
        "SELECT sessions, sessions_costed, compliant_sessions, cost_usd, cost_per_session_usd, "
        "cost_per_compliant_session_usd, first_pass_denial_rate, days_to_submit, days_to_payment, "
        "patient_paid_usd FROM marts.cost_monthly WHERE payer_kind = 'commercial'"
    ) == [
        (2, 2, 1, Decimal("421.6"), Decimal("210.8"), Decimal("421.6"), 1.0, 2.0, 45.0,
         Decimal("68.2")),
    ]  # fmt: skip


def test_courses_cohorts_and_no_shows_are_published(billed: Nights) -> None:
    assert billed.read(
        "SELECT patient_id[1], sessions, cost_usd, first_bill_on::VARCHAR, ended, ended_after_bill "
        "FROM marts.cost_courses ORDER BY sessions DESC"
    ) == [
        ("P", 2, Decimal("421.6"), "2026-06-25", True, False),
        ("P", 1, None, None, True, None),
    ]
    assert billed.read(
        "SELECT courses_started, courses_costed, responders, cost_usd, cost_per_responder_usd "
        "FROM marts.cost_cohorts"
    ) == [(2, 1, 1, Decimal("421.6"), Decimal("421.6"))]
    assert billed.read("SELECT no_shows, cost_usd FROM marts.cost_no_shows") == [(1, 145)]


def test_a_later_night_is_as_one_that_judged_everything(billed: Nights) -> None:
    later = {name: rows for name, rows in billed.marts().items() if name in MARTS}
    assert set(later) == set(MARTS)
    billed.publish(full=True)
    assert {name: rows for name, rows in billed.marts().items() if name in MARTS} == later
