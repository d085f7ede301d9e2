"""Outcomes through whole nights: from deliveries to published tables."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.publish.nights import INFUSIONS, Nights

PRIMARY = INFUSIONS.replace(
    "rules:", "course: {gap: 60d}\nprimary: {instrument: PHQ-9, day: 28, within: 7}\nrules:", 1
)
TABLES = ("outcome_courses", "outcome_cohorts", "durability", "suicidality_followup",
          "outcome_warnings")  # fmt: skip
LATER = datetime(2026, 9, 1, tzinfo=UTC)


def answered(name: str, patient: str, day: str, items: str, total: str = "") -> dict[str, str]:
    return {"outcome_id": name, "patient_id": patient, "instrument": "PHQ-9", "items": items,
            "administered_at": f"2026-{day}T09:00", "total": total}  # fmt: skip


@pytest.fixture(scope="module")
def treated_once(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Two patients: one responds and comes back, with a positive screen; one is lost."""
    nights = Nights(tmp_path_factory.mktemp("treated"))
    nights.write_protocol("infusions.yaml", PRIMARY)
    nights.sessions(
        "north/a",
        nights.session("s1", patient="p1", day="2026-05-04"),
        nights.session("s2", patient="p1", day="2026-06-04"),
        nights.session("s3", patient="p2", day="2026-05-05"),
    )
    nights.rows(
        "north/outcomes_a.csv",
        [answered("o1", "p1", "05-03", "2;2;2;2;2;2;2;2;2", "18"),
         answered("o2", "p1", "05-31", "1;1;1;1;1;0;0;0;0", "6"),
         answered("o3", "p1", "06-20", "2;2;2;2;2;2;2;2;1"),
         answered("o4", "p2", "05-04", "2;2;2;2;2;2;2;2;0"),
         answered("o5", "p2", "12-24", "0;0;0;0;0;0;0;0;1")],
    )  # fmt: skip
    nights.rows(
        "north/contacts_a.csv",
        [{"contact_id": "c1", "patient_id": "p1", "kind": "crisis", "status": "no_show",
          "started_at": "2026-06-20T10:00"},
         {"contact_id": "c2", "patient_id": "p1", "kind": "crisis", "status": "completed",
          "started_at": "2026-06-21T09:00"}],
    )  # fmt: skip
    nights.publish(as_of=LATER)
    return nights


@pytest.fixture
def treated(treated_once: Nights, tmp_path: Path) -> Nights:
    return treated_once.copied(tmp_path)


def test_a_course_is_published_with_a_pseudonym(treated: Nights) -> None:
    rows = treated.read(
        "SELECT baseline, latest, induction_end, response_at_induction_end, mature, sessions, "
        "relapsed_at IS NOT NULL FROM marts.outcome_courses ORDER BY sessions DESC"
    )
    assert rows == [(18, 17, 5, True, True, 2, True), (16, None, None, None, True, 1, False)]
    for table in ("outcome_courses", "suicidality_followup", "outcome_warnings"):
        found = treated.read(f"SELECT DISTINCT patient_id[1] FROM marts.{table}")
        assert found == [("P",)], table


def test_a_lost_patient_is_a_non_responder_counted_apart(treated: Nights) -> None:
    assert treated.read(
        "SELECT courses_started, courses_without_outcome, courses_without_baseline, responders, "
        "response_rate FROM marts.outcome_cohorts"
    ) == [(2, 1, 0, 1, 0.5)]


def test_a_relapse_is_an_event_of_the_curve(treated: Nights) -> None:
    assert treated.read(
        'SELECT "group", note, day, at_risk, relapsed, survival FROM marts.durability ORDER BY day'
    ) == [
        ("all", "under continued treatment", 0, 1, 0, 1.0),
        ("all", "under continued treatment", 20, 1, 1, 0.0),
    ]


def test_screens_after_as_of_wait_and_no_shows_answer_nothing(treated: Nights) -> None:
    assert treated.read(
        "SELECT outcome_id, hours, status, note FROM marts.suicidality_followup ORDER BY 1"
    ) == [
        ("o1", 49 * 24.0, "late", "not a real-time alarm"),
        ("o3", 24.0, "in_time", "not a real-time alarm"),
    ]


def test_a_total_that_disagrees_is_warned_of_and_not_quarantined(treated: Nights) -> None:
    assert treated.read(
        "SELECT outcome_id, warning, charted, score FROM marts.outcome_warnings"
    ) == [("o2", "total_disagrees", 6, 5)]
    assert treated.read("SELECT count(*) FROM ops.quarantine") == [(0,)]


def test_a_later_night_is_as_one_that_judged_everything(treated: Nights) -> None:
    treated.rows("north/outcomes_b.csv", [answered("o6", "p2", "06-01", "0;0;0;0;0;0;0;0;0")])
    treated.sessions("north/b", treated.session("s0", patient="p2", day="2026-05-01"))
    treated.publish()
    later = {name: rows for name, rows in treated.marts().items() if name in TABLES}
    assert len(later["outcome_courses"]) == 2
    treated.publish(full=True)
    assert {name: rows for name, rows in treated.marts().items() if name in TABLES} == later


def test_buckets_give_the_same_tables(treated: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: rows for name, rows in treated.marts().items() if name in TABLES}
    monkeypatch.setattr("flows.shares.BUCKET_SUBJECTS", 1)
    treated.publish()
    assert {name: rows for name, rows in treated.marts().items() if name in TABLES} == before
