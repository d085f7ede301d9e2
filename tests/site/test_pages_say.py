"""What single pages say, against the tables of the shared demo."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from flows.reports.links import page_of
from tests.site.pages import parsed


@pytest.fixture
def run(published: Path) -> Path:
    return (published / "current").resolve()


@pytest.fixture
def results(run: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(run / "results.duckdb"), read_only=True) as db:
        yield db


def test_a_session_counts_what_was_met_without_what_did_not_apply(
    run: Path, results: duckdb.DuckDBPyConnection
) -> None:
    counted = results.execute(
        "SELECT clinic_id, session_id, count(*) FILTER (status = 'met'), "
        "count(*) FILTER (status = 'excluded') FROM marts.session_rules GROUP BY ALL "
        "HAVING count(*) FILTER (status = 'excluded') > 1 ORDER BY ALL LIMIT 20"
    ).fetchall()
    assert len(counted) > 5
    for clinic, session, met, excluded in counted:
        text = parsed(run / "report" / page_of("sessions", clinic, session)).text
        assert re.search(rf"\b{met} met\.", text)
        assert f"{excluded} other rules did not apply" in text


def test_no_patient_is_on_the_restricted_page(
    run: Path, results: duckdb.DuckDBPyConnection
) -> None:
    flagged = results.execute(
        "SELECT DISTINCT subject_id FROM marts.risk_flags WHERE subject_kind = 'patient'"
    ).fetchall()
    assert flagged
    text = parsed(run / "restricted" / "index.html").text
    assert not [patient for (patient,) in flagged if patient in text]


def test_risk_is_told_as_a_person_would(run: Path) -> None:
    for path in (run / "report" / "risk.html", run / "restricted" / "index.html"):
        text = re.sub(r"Keel (20\d\d-\d\d-\d\d|\d[.\d]+\d)", "", parsed(path).text)
        assert re.search(r"\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) 20\d\d", text)
        assert not re.search(r"20\d\d-\d\d-\d\d(?!T)", text)
        assert not re.search(r"\d\.0\b", text)
        assert not re.search(r"\b0 mg\b(?! of it)", text)
        assert not re.search(r"(\d+ \w+ 20\d\d)[^;()]*\(\1\)", text)


def test_page_one_names_critical_rules_that_have_no_target(
    run: Path, results: duckdb.DuckDBPyConnection
) -> None:
    """Those are in no clinic's verdict and in no order of places."""
    missed = results.execute(
        "SELECT r.title, sum(m.not_met - m.waived) AS misses FROM marts.rule_monthly m "
        "JOIN marts.rules r USING (protocol, protocol_version, rule_id) WHERE r.target IS NULL "
        "AND r.severity = 'critical' AND month >= (SELECT max(month) - INTERVAL 2 MONTH FROM "
        "marts.rule_monthly WHERE met + not_met > 0) GROUP BY r.protocol, r.rule_id, r.title "
        "ORDER BY misses DESC, r.protocol, r.rule_id LIMIT 3"
    ).fetchall()
    text = parsed(run / "report" / "index.html").text
    assert missed[0][1]
    for title, misses in missed:
        assert f"{title} ({misses:,})" in text
