"""The site as files: it hangs together, loads nothing, breaks on nothing, and says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from flows.reports.links import page_of
from tests.demo_site import HOSTILE_NAME, HOSTILE_SESSION
from tests.site.pages import Parsed, parsed

LARGEST_FIRST_PAGE = 300_000


@pytest.fixture(scope="module")
def report(published: Path) -> Path:
    return (published / "current" / "report").resolve()


@pytest.fixture(scope="module")
def pages(report: Path) -> dict[Path, Parsed]:
    return {path: parsed(path) for path in sorted(report.rglob("*.html"))}


@pytest.fixture(scope="module")
def results(published: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(published / "current" / "results.duckdb"), read_only=True)


def one(results: duckdb.DuckDBPyConnection, query: str, *values: object) -> tuple[object, ...]:
    row = results.execute(query, list(values)).fetchone()
    assert row is not None
    return row


def test_every_link_leads_to_a_page_of_the_site_or_a_place_on_one(
    pages: dict[Path, Parsed],
) -> None:
    for path, page in pages.items():
        for link in page.links:
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            assert target in pages, (path.name, link)
            assert not anchor or anchor in pages[target].ids, (path.name, link)


def test_every_page_is_reached_from_page_one(report: Path, pages: dict[Path, Parsed]) -> None:
    seen, todo = set(), [report / "index.html"]
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            files = [link.partition("#")[0] for link in pages[path].links]
            todo += [(path.parent / file).resolve() for file in files if file]
    hidden = {path for path in pages.keys() - seen if path.parent.name != "sessions"}
    assert hidden == set()
    assert any(path.parent.name == "sessions" for path in seen)


def test_no_page_loads_anything_or_runs_a_script(pages: dict[Path, Parsed]) -> None:
    for path, page in pages.items():
        assert page.asks_for == [], path.name
        assert not page.tags & {"script", "iframe", "img", "object", "link", "form"}, path.name
        assert page.csp == "default-src 'none'; style-src 'unsafe-inline'"
        assert "url(" not in path.read_text(encoding="utf-8")


def test_headings_are_in_order_and_tables_have_scopes(pages: dict[Path, Parsed]) -> None:
    for path, page in pages.items():
        assert page.headings[0] == 1, path.name
        assert page.headings.count(1) == 1, path.name
        steps = zip(page.headings, page.headings[1:], strict=False)
        assert all(below <= above + 1 for above, below in steps), path.name
        assert page.unscoped == 0, path.name
        assert len(page.ids) == len(set(page.ids)), path.name


def test_page_one_is_small(report: Path) -> None:
    assert (report / "index.html").stat().st_size < LARGEST_FIRST_PAGE


def test_hostile_text_is_shown_as_it_is_and_does_nothing(
    report: Path, pages: dict[Path, Parsed]
) -> None:
    assert HOSTILE_NAME in pages[report / "clinics.html"].text
    shown = [path for path, page in pages.items() if HOSTILE_SESSION in page.text]
    assert shown
    for path in pages:
        assert re.fullmatch(r"[a-z0-9-]+\.html", path.name)
        assert path.parent == report or path.parent.parent == report


def test_no_patient_is_named(published: Path, report: Path) -> None:
    with duckdb.connect(str(published.parent / "warehouse" / "keel.duckdb"), read_only=True) as db:
        people = db.execute(
            "SELECT patient_id, given_name, family_name, phone FROM facts.patients"
        ).fetchall()
    text = "".join(path.read_text(encoding="utf-8") for path in report.rglob("*.html"))
    for patient_id, given, family, phone in people:
        assert not re.search(rf"\b{re.escape(patient_id)}\b", text)
        assert f"{given} {family}" not in text
        assert phone is None or phone not in text


def test_page_one_says_what_the_tables_say(
    report: Path, pages: dict[Path, Parsed], results: duckdb.DuckDBPyConnection
) -> None:
    text = pages[report / "index.html"].text
    (run_id,) = one(results, "SELECT run_id FROM ops.runs ORDER BY seq DESC LIMIT 1")
    assert str(run_id) in text
    (critical,) = one(
        results, "SELECT count(*) FROM marts.findings WHERE status = 'not_met' "
        "AND severity = 'critical' AND NOT waived",
    )  # fmt: skip
    assert re.search(rf"{critical:,}\s*critical breaches open", text)
    (due,) = one(results, "SELECT count(*) FROM marts.worklist")
    assert re.search(rf"{due:,}\s*can still be saved", text)
    good, bad = one(
        results,
        "SELECT count(*) FILTER (NOT bad AND NOT undecided), count(*) FILTER (bad) FROM ("
        "SELECT bool_or(status = 'non_compliant') AS bad, "
        "bool_or(status IN ('pending', 'incomplete')) AS undecided FROM marts.subject_adherence "
        "WHERE subject_kind = 'session' GROUP BY clinic_id, subject_id)",
    )
    assert isinstance(good, int)
    assert isinstance(bad, int)
    assert f"{good:,} of {good + bad:,}" in text


def test_a_rules_page_counts_as_the_published_verdicts_do(
    published: Path, report: Path, pages: dict[Path, Parsed]
) -> None:
    files = str(published / "current" / "verdicts" / "**" / "*.parquet")
    with duckdb.connect() as db:
        counted = db.execute(
            "SELECT protocol, rule_id, count(*) FILTER (status = 'met') AS met, "
            "count(*) FILTER (status IN ('met', 'not_met')) AS decided FROM "
            "read_parquet(?, hive_partitioning = false) GROUP BY ALL HAVING decided > 0",
            [files],
        ).fetchall()
    assert len(counted) > 100
    for protocol, rule_id, met, decided in counted:
        text = pages[report / page_of("rules", protocol, rule_id)].text
        assert f"{met:,} of {decided:,} decided" in text, (protocol, rule_id)


def test_a_sessions_page_has_each_verdict_with_its_reason_and_source(
    report: Path, pages: dict[Path, Parsed], results: duckdb.DuckDBPyConnection
) -> None:
    missed = results.execute(
        "SELECT f.clinic_id, f.session_id, f.reason, r.title, r.tier, r.citation "
        "FROM marts.findings f JOIN marts.session_pages USING (clinic_id, session_id) "
        "JOIN marts.rules r USING (protocol, protocol_version, rule_id) "
        "WHERE f.subject_kind = 'session' AND f.status = 'not_met'"
    ).fetchall()
    assert len(missed) > 20
    for clinic, session, reason, title, tier, citation in missed:
        text = pages[report / page_of("sessions", clinic, session)].text
        for words in (session, reason, title, tier, citation or "house rule"):
            assert words in text, (session, words)


def test_a_breach_of_a_session_has_a_page_and_its_picture(
    report: Path, results: duckdb.DuckDBPyConnection
) -> None:
    chosen = results.execute(
        "SELECT clinic_id, session_id, why FROM marts.session_pages"
    ).fetchall()
    assert {why for _, _, why in chosen} == {"breached", "sampled"}
    (breached,) = one(
        results, "SELECT count(DISTINCT (clinic_id, session_id)) FROM marts.findings "
        "WHERE status = 'not_met' AND severity IN ('critical', 'major') "
        "AND subject_kind = 'session'",
    )  # fmt: skip
    assert sum(why == "breached" for _, _, why in chosen) == breached
    for clinic, session, _ in chosen:
        text = (report / page_of("sessions", clinic, session)).read_text(encoding="utf-8")
        assert 'class="timeline"' in text


def test_what_is_new_is_what_the_night_found(
    report: Path, pages: dict[Path, Parsed], results: duckdb.DuckDBPyConnection
) -> None:
    (opened,) = one(
        results, "SELECT count(*) FROM marts.findings WHERE status = 'not_met' AND NOT waived "
        "AND first_found_run = (SELECT max(run_id) FROM ops.runs)",
    )  # fmt: skip
    assert re.search(rf"\b{opened:,} new miss", pages[report / "index.html"].text)


def test_staff_are_in_no_page_but_the_restricted_one(published: Path, report: Path) -> None:
    with duckdb.connect(
        str(published / "current" / "restricted" / "restricted.duckdb"), read_only=True
    ) as db:
        flagged = db.execute("SELECT reason FROM marts.risk_flags").fetchall()
    page = parsed((published / "current" / "restricted" / "index.html").resolve())
    assert all(reason in page.text for (reason,) in flagged)
    risk = parsed(report / "risk.html").text
    assert not any(reason in risk for (reason,) in flagged)
    assert "restricted" not in "".join(parsed(report / "risk.html").links)
