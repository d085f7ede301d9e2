"""`keel report`: the same again, a part of it, and the one for outsiders."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
import pytest

from flows.manifest import hashes
from flows.reports.links import page_of
from tests.commands.cli import keel
from tests.site.pages import parsed


@pytest.fixture(scope="module")
def copy(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the published runs that tests may write into."""
    folder = tmp_path_factory.mktemp("again") / "published"
    shutil.copytree(published, folder, symlinks=True)
    return folder


def test_lost_and_damaged_pages_come_back_as_they_were(copy: Path) -> None:
    report = copy / "current" / "report"
    before = hashes(report)
    (report / "index.html").unlink()
    (report / "cost.html").write_text("nothing")
    done = keel("report", "--publish", copy)
    assert done.exit_code == 0
    assert "index.html" in done.output
    assert hashes(report) == before
    assert not list(report.parent.glob(".*"))


def test_a_run_of_another_keel_is_left_as_it_is(copy: Path, tmp_path: Path) -> None:
    manifest = copy / "current" / "manifest.json"
    kept = manifest.read_text()
    before = hashes(copy / "current" / "report")
    manifest.write_text(re.sub(r'("report/index.html": ")\w{4}', r"\g<1>0000", kept))
    try:
        done = keel("report", "--publish", copy)
        assert done.exit_code == 1
        assert "--out" in done.output
        assert hashes(copy / "current" / "report") == before
        assert keel("report", "--publish", copy, "--out", tmp_path / "r").exit_code == 0
        assert hashes(tmp_path / "r").items() >= before.items()
    finally:
        manifest.write_text(kept)


def test_a_clinics_report_is_of_that_clinic_and_those_days(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    since, until = "2026-09-20", "2026-10-10"
    done = keel("report", "--publish", copy, "--clinic", "c01", "--from", since, "--to", until)
    assert done.exit_code == 0
    site = tmp_path / "keel-report"
    assert f"from {since} to {until}" in parsed(site / "index.html").text
    assert len(list((site / "clinics").iterdir())) == 1
    files = str(copy / "current" / "verdicts" / "**" / "*.parquet")
    with duckdb.connect(str(copy / "current" / "results.duckdb"), read_only=True) as db:
        counted = db.execute(
            "SELECT v.protocol, v.rule_id, count(*) FILTER (v.status = 'met'), count(*) "
            "FROM read_parquet(?, hive_partitioning = false) v, marts.subject_adherence s "
            "WHERE v.clinic_id = 'c01' AND s.clinic_id = 'c01' AND v.subject_id = s.subject_id "
            "AND v.subject_kind = s.subject_kind AND v.protocol = s.protocol "
            f"AND s.local_date BETWEEN '{since}' AND '{until}' "
            "AND v.status IN ('met', 'not_met') GROUP BY ALL",
            [files],
        ).fetchall()
    assert len(counted) > 30
    for protocol, rule_id, met, decided in counted:
        text = parsed(site / page_of("rules", protocol, rule_id)).text
        assert f"{met} of {decided} decided" in text, (protocol, rule_id)


def test_the_report_for_outsiders_is_whole_or_not_at_all(copy: Path, tmp_path: Path) -> None:
    done = keel("report", "--publish", copy, "--external", "--out", tmp_path / "out")
    assert done.exit_code == 0
    assert {"index.html", "figures.csv"} <= set(hashes(tmp_path / "out"))
    refused = keel("report", "--publish", copy, "--external", "--clinic", "c01")
    assert refused.exit_code == 2
    assert "--external" in refused.output


def test_what_cannot_be_is_said_in_one_sentence(copy: Path, tmp_path: Path) -> None:
    for arguments, words in [
        (("--publish", tmp_path), "no published run"),
        (("--publish", copy, "--clinic", "c1"), "did you mean c01"),
        (("--publish", copy, "--from", "2026-10-02", "--to", "2026-10-01"), "earlier day"),
        (("--publish", copy, "--out", copy), "neither empty nor a report"),
    ]:
        done = keel("report", *arguments)
        assert done.exit_code == 2, words
        assert words in done.output, done.output
        assert len(done.output.strip().splitlines()) == 1
