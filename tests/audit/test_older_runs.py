"""What another Keel published: what cannot be checked or drawn is said in one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.manifest import MANIFEST, file_hash
from flows.narrowed import RESULTS
from tests.commands.cli import keel
from tests.publish.nights import Nights


@pytest.fixture
def older(month: Nights, tmp_path: Path) -> Path:
    """A copy of the published runs, as Keel 0.0.9 might have left them."""
    publish = tmp_path / "published"
    shutil.copytree(month.settings.publish, publish, symlinks=True)
    _mend(publish, lambda about: about.update(keel_version="0.0.9"))
    return publish


def _mend(publish: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = publish / "current" / MANIFEST
    about = json.loads(manifest.read_text("utf-8"))
    change(about)
    manifest.write_text(json.dumps(about), encoding="utf-8")


def _altered(publish: Path, *statements: str) -> None:
    """The run's tables changed, and the manifest made to fit, as if they had been written so."""
    results = publish / "current" / RESULTS
    with duckdb.connect(str(results)) as db:
        for statement in statements:
            db.execute(statement)
    _mend(publish, lambda about: about["files"].update({RESULTS: file_hash(results)}))


def test_a_run_without_a_head_cannot_be_vouched_for(month: Nights, older: Path) -> None:
    _mend(older, lambda about: about.pop("audit_head"))
    done = keel("audit", "verify", "--publish", older, "--warehouse", month.settings.warehouse)
    assert done.exit_code == 1
    assert done.stderr == ""
    assert "NOT INTACT (run published by Keel 0.0.9" in done.stdout
    assert "Keel 0.0.9 wrote no head of the audit log into it" in done.stdout
    assert "audit log, " in done.stdout  # the log itself is looked at all the same


def test_a_run_without_a_log_is_told(older: Path) -> None:
    _altered(older, "DROP TABLE ops.audit_log")
    done = keel("audit", "verify", "--publish", older)
    assert done.exit_code == 1
    assert done.stderr == ""
    assert f"{RESULTS}: Keel 0.0.9 wrote no audit log into it" in done.stdout


def test_an_older_run_that_has_all_of_it_is_intact(older: Path) -> None:
    done = keel("audit", "verify", "--publish", older)
    assert done.exit_code == 0, done.output
    assert "intact (run published by Keel 0.0.9" in done.stdout


@pytest.mark.parametrize("manifest", ["", "[]", "[1]", '"files"', "{}", '{"files": []}'])
def test_a_manifest_that_is_none_is_told(older: Path, manifest: str) -> None:
    (older / "current" / MANIFEST).write_text(manifest)
    done = keel("audit", "verify", "--publish", older)
    assert done.exit_code == 1
    assert done.stderr == ""
    assert f"{MANIFEST}: is no manifest any more" in done.stdout
    done = keel("report", "--publish", older)
    assert done.exit_code == 1
    (told,) = done.stderr.strip().splitlines()
    assert "its pages would come out otherwise" in told


@pytest.mark.parametrize(
    ("statement", "arguments"),
    [
        ("DROP TABLE marts.session_pages", ()),
        ("ALTER TABLE marts.clinics DROP COLUMN name", ("--clinic", "north")),
        ("DROP TABLE marts.rule_monthly", ("--from", "2026-05-01")),
        ("DROP TABLE marts.outcome_courses", ("--external",)),
    ],
)
def test_tables_that_a_report_lacks_are_told(
    older: Path, statement: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    _altered(older, statement)
    done = keel("report", "--publish", older, *arguments, "--out", tmp_path / "out")
    assert done.exit_code == 1
    (told,) = done.stderr.strip().splitlines()
    assert "lacks a table or a column that a report of Keel" in told
    assert "needs (published by Keel 0.0.9)" in told
    assert "keel nightly" in told
    assert not (tmp_path / "out").exists()


def test_a_run_whose_log_was_changed_is_found(older: Path) -> None:
    """Also by whoever made the manifest fit."""
    _mend(older, lambda about: about["audit_head"].update(entry_no=7))
    done = keel("audit", "verify", "--publish", older)
    assert done.exit_code == 1
    assert f"{MANIFEST}: its audit head is not that of {RESULTS}" in done.stdout
    _altered(
        older,
        "INSERT INTO ops.audit_log SELECT 1, now(), 'me', 'whois', NULL, 'done', '0', '0'",
    )
    done = keel("audit", "verify", "--publish", older)
    assert done.exit_code == 1
    assert f"{RESULTS}: entry 1 of its audit log is not as it was written" in done.stdout
