"""Pages, spreadsheet and PDF say the same, and what the published tables say."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, date, datetime

import fastexcel
import polars as pl
import pytest

from tests.demo_site import HOSTILE_NAME
from tests.reports.conftest import Forms

_WORST = ("non_compliant", "pending", "incomplete")


def sheet(forms: Forms, name: str) -> pl.DataFrame:
    return fastexcel.read_excel(forms.xlsx).load_sheet(name, header_row=2).to_polars()


def statuses(forms: Forms, since: date | None = None) -> dict[str, list[str]]:
    """Each clinic's sessions, each by the worst of its statuses, in plain Python."""
    of_session: dict[tuple[str, str], set[str]] = defaultdict(set)
    first: dict[tuple[str, str], date] = {}
    for clinic, session, day, status in forms.db.execute(
        "SELECT clinic_id, subject_id, local_date, status FROM marts.subject_adherence "
        "WHERE subject_kind = 'session'"
    ).fetchall():
        of_session[clinic, session].add(status)
        first[clinic, session] = min(day, first.get((clinic, session), day))
    found: dict[str, list[str]] = defaultdict(list)
    for (clinic, session), mine in of_session.items():
        worst = next((status for status in _WORST if status in mine), "compliant")
        if since is None or first[clinic, session] >= since:
            found[clinic].append(worst)
    return found


def rate(found: list[str]) -> tuple[int, int]:
    good, bad = found.count("compliant"), found.count("non_compliant")
    return good, good + bad


def test_the_headline_is_the_same_in_all_three(forms: Forms) -> None:
    everything = [status for mine in statuses(forms).values() for status in mine]
    hits, trials = rate(everything)
    row = sheet(forms, "Summary").row(0, named=True)
    assert (row["Figure"], row["Numerator"], row["Denominator"]) == (
        "Compliant sessions", hits, trials,
    )  # fmt: skip
    assert row["Value"] == pytest.approx(hits / trials)
    said = f"{hits} of {trials}"
    assert f"compliant: {said} decided sessions" in forms.pdf_pages[0]
    assert f"of decided sessions compliant {said}" in forms.html
    low, high = (round(row[name] * 100) for name in ("Low, 95 %", "High, 95 %"))
    interval = f"95 % interval {low} % to {high} %"
    assert interval in forms.pdf_pages[0]
    assert interval in forms.html
    for words in (
        f"{everything.count('pending')} pending",
        f"{everything.count('incomplete')} inc",
    ):
        assert words in row["Note"]
        assert words in forms.pdf_pages[0]


def test_each_clinics_rate_is_the_same_in_all_three(forms: Forms) -> None:
    ((last,),) = forms.db.execute(
        "SELECT max(month) FROM marts.rule_monthly WHERE met + not_met > 0"
    ).fetchall()
    since = date(last.year, last.month - 2, 1)
    found = {row["Clinic"]: row for row in sheet(forms, "Clinics").to_dicts()}
    mine = statuses(forms, since)
    names = dict(forms.db.execute("SELECT clinic_id, name FROM marts.clinics").fetchall())
    assert found.keys() == mine.keys() == names.keys()
    for clinic, row in found.items():
        hits, trials = rate(mine[clinic])
        assert (row["Compliant"], row["Decided"]) == (hits, trials)
        assert row["Compliant share"] == pytest.approx(hits / trials)
        assert row["Name"] == names[clinic]
        share = f"{round(100 * hits / trials)} %"
        assert f"{share} {hits} of {trials}" in forms.pdf_pages[0]
        after = forms.html.split(names[clinic])
        assert any(f"{row['Why']} {share} {hits} of {trials}" in part for part in after)
        assert row["Verdict"] in forms.html


def test_critical_breaches_are_the_same_in_all_three(forms: Forms) -> None:
    ((as_of,),) = forms.db.execute(
        "SELECT as_of FROM ops.runs ORDER BY seq DESC LIMIT 1"
    ).fetchall()
    open_ = forms.db.execute(
        "SELECT clinic_id, started_at FROM marts.findings "
        "WHERE severity = 'critical' AND status = 'not_met' AND NOT waived"
    ).fetchall()
    figures = {row["Figure"]: row["Value"] for row in sheet(forms, "Summary").to_dicts()}
    assert figures["Critical rules not met"] == len(open_)
    assert f"{len(open_)} critical breaches open" in forms.html
    assert re.search(rf"Critical rules not met {len(open_)}\b", forms.pdf_pages[0])
    ages = [
        (as_of.astimezone(UTC).date() - at.astimezone(UTC).date()).days for _, at in open_ if at
    ]
    bands = {
        "up to 7 days": sum(age <= 7 for age in ages),
        "8 to 30 days": sum(7 < age <= 30 for age in ages),
        "31 to 90 days": sum(30 < age <= 90 for age in ages),
        "over 90 days": sum(age > 90 for age in ages),
        "no start charted": len(open_) - len(ages),
    }
    for band, count in bands.items():
        assert figures[f"Critical rules not met, {band}"] == count
        assert f"{band} {count}" in forms.pdf_pages[0]
    counts = " ".join(str(count) if count else "–" for count in bands.values())
    assert f"All clinics {counts}" in forms.html
    for row in sheet(forms, "Clinics").to_dicts():
        assert row["Critical open"] == sum(clinic == row["Clinic"] for clinic, _ in open_)


def test_rules_of_the_spreadsheet_are_those_of_the_tables(forms: Forms) -> None:
    expected = forms.db.execute(
        "SELECT protocol, r.title, sum(met), sum(met + not_met), sum(not_evaluable), sum(waived) "
        "FROM marts.rule_monthly JOIN marts.rules r USING (protocol, protocol_version, rule_id) "
        "GROUP BY protocol, rule_id, r.title"
    ).fetchall()
    columns = ("Protocol", "Rule", "Met", "Met + not met", "Not evaluable", "Waived")
    found = sheet(forms, "Rules").select(columns).rows()
    assert sorted(found) == sorted(tuple(row) for row in expected)
    worst = sheet(forms, "Rules").row(0, named=True)
    pages = " ".join(forms.pdf_pages)
    assert f"{worst['Met']:.0f} of {worst['Met + not met']:.0f}" in pages


@pytest.mark.parametrize(
    ("name", "table"),
    [("Findings", "findings"), ("Worklist", "worklist"), ("Outcomes", "outcome_cohorts"),
     ("Cost", "cost_monthly"), ("Operations", "operations_monthly"), ("Risk", "risk_flags")],
)  # fmt: skip
def test_a_list_has_every_row_of_its_table(forms: Forms, name: str, table: str) -> None:
    ((count,),) = forms.db.execute(f"SELECT count(*) FROM marts.{table}").fetchall()
    assert len(sheet(forms, name)) == count
    assert count or name in ("Outcomes", "Worklist")


def test_times_are_the_clinics_own_and_numbers_are_numbers(forms: Forms) -> None:
    found = sheet(forms, "Findings")
    rows = forms.db.execute(
        "SELECT finding_id, timezone(time_zone, started_at), observed FROM marts.findings "
        "JOIN marts.clinics USING (clinic_id) WHERE observed IS NOT NULL LIMIT 50"
    ).fetchall()
    shown = {row["Finding"]: row for row in found.to_dicts()}
    for finding, started, observed in rows:
        assert shown[finding]["Observed"] == pytest.approx(observed)
        assert isinstance(shown[finding]["Local start"], datetime)
        assert abs((shown[finding]["Local start"] - started).total_seconds()) < 1


def test_the_pdf_numbers_its_pages_and_says_which_run_it_is(forms: Forms) -> None:
    ((run_id,),) = forms.db.execute(
        "SELECT run_id FROM ops.runs ORDER BY seq DESC LIMIT 1"
    ).fetchall()
    for at, text in enumerate(forms.pdf_pages, start=1):
        assert f"Page {at} of {len(forms.pdf_pages)}" in text
        assert run_id in text
        assert "as of 2026-" in text


def test_staff_are_in_none_of_the_forms(forms: Forms) -> None:
    assert set(sheet(forms, "Risk")["Kind"]) <= {"patient", "lot", "clinic"}


def test_a_hostile_name_is_text_everywhere(forms: Forms) -> None:
    assert HOSTILE_NAME in sheet(forms, "Clinics")["Name"].to_list()
    plain = HOSTILE_NAME.replace("🌙", "?")
    assert any(plain[:15] in page for page in forms.pdf_pages)
    assert "stand as the nearest plain letter" in forms.pdf_pages[-1]
