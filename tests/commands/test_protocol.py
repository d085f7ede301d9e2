"""`keel protocol`, as a medical director types it."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import stat
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import Result
from typer.testing import CliRunner

from flows.cli import app
from tests.publish.nights import INFUSIONS, Nights

DRAFT = (
    INFUSIONS.replace("1.0.0", "1.1.0")
    .replace("from: 2020-01-01", "from: 2027-01-01")
    .replace("max: 1.0}", "max: 0.4}")
    .replace("id: weight", "id: heft")
)
NAMES = ("Ada", "Quimby")


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five sessions, judged and published under infusions@1.0.0; a draft beside them."""
    folder = tmp_path_factory.mktemp("past")
    nights = Nights(folder)
    nights.rows("north/patients_1.csv", [
        {"patient_id": "p1", "given_name": NAMES[0], "family_name": NAMES[1]},
    ])  # fmt: skip
    nights.sessions(
        "north/1",
        nights.session("s1", day="2026-05-04", dose=40),
        nights.session("s2", day="2026-05-06", dose=20),
        nights.session("s3", day="2026-05-08", dose=None),
    )
    nights.sessions(
        "south/1",
        nights.session("s4", clinic="south", day="2026-05-10", dose=40),
        nights.session("s5", clinic="south", day="2026-05-20", dose=40),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.load.validate", lambda *_: [])
        nights.publish()
    (folder / "draft.yaml").write_text(DRAFT)
    (folder / "keel.toml").write_text(
        'protocols = ["protocols"]\nbuiltin_protocols = false\nas_of = 2026-06-01T12:00:00Z\n'
    )
    return folder


@pytest.fixture
def past(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nights:
    """A copy of it to play with."""
    monkeypatch.setattr("flows.load.validate", lambda *_: [])
    shutil.copytree(built, tmp_path, dirs_exist_ok=True, symlinks=True)
    return Nights(tmp_path)


def keel(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["protocol", *arguments])
    assert done.exit_code == code, done.output
    return done


def told(*arguments: str, code: int = 0) -> Any:
    return json.loads(keel(*arguments, "--json", code=code).stdout)


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# list, show


def test_the_library_is_listed_without_any_settings() -> None:
    said = keel("list").stdout
    assert "iv-ketamine-depression@1.0.0  IV racemic ketamine for depression" in said
    (first,) = (row for row in told("list") if row["protocol"] == "iv-ketamine-depression")
    assert first["effective_from"] == "2015-01-01"
    assert sum(first["rules_by_tier"].values()) == 35


def test_the_networks_own_files_are_listed(past: Nights) -> None:
    assert {row["protocol"] for row in told("list")} == {"infusions", "scores"}


def test_a_protocol_is_shown_without_jargon() -> None:
    said = keel("show", "iv-ketamine-depression").stdout
    assert "9. Vital signs at least every 15 minutes during the infusion" in said
    assert "at most 15 min apart" in said
    assert "counting those with SpO2 below 90 %: none" in said
    assert "trial (T3): Fava 2018/2020" in said
    said = re.sub("iv_ketamine|aldrete_10|contraindication_review", "", said)  # as charted
    for jargon in ("_", "{", "[", " null", ">=", "cadence", "occurrence", "among"):
        assert jargon not in said, jargon


def test_text_is_wrapped_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, keel("show", "iv-ketamine-depression").stdout.splitlines())) <= 60


def test_of_an_id_the_version_in_force_is_shown(past: Nights, tmp_path: Path) -> None:
    ended = INFUSIONS.replace("from: 2020-01-01", "from: 2020-01-01, to: 2026-12-31")
    past.write_protocol("infusions.yaml", ended)
    past.write_protocol("later.yaml", DRAFT)
    assert told("show", "infusions")["version"] == "1.0.0"
    assert told("show", "infusions@1.1.0")["version"] == "1.1.0"
    (tmp_path / "keel.toml").write_text('protocols = ["protocols"]\nas_of = 2027-06-01T00:00:00Z\n')
    assert told("show", "infusions")["version"] == "1.1.0"


@pytest.mark.parametrize("command", ["show", "test", "replay"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("iv-ketamine-depresion", "did you mean iv-ketamine-depression?"),
        ("iv-ketamine-depression@2.0.0", "did you mean iv-ketamine-depression@1.0.0?"),
        ("nothing.yaml", "there is no such protocol file"),
        ("xyz", "`keel protocol list` shows"),
    ],
)
def test_a_wrong_name_is_told_with_the_nearest(command: str, name: str, said: str) -> None:
    assert said in keel(command, name, code=2).stderr


# test


def test_the_librarys_examples_hold() -> None:
    said = keel("test").stdout
    assert "  ok    Twice the highest dose (1 verdict)" in said
    assert "93 of 93 examples hold" in said
    assert "no example shows" not in said
    (found,) = told("test", "iv-ketamine-depression@1.0.0")
    assert found["failed"] == []
    assert found["examples"] == 93


def test_an_example_that_fails_is_told_and_exits_1(tmp_path: Path) -> None:
    example = (
        "examples:\n  - title: A high dose\n"
        "    row: {status: completed, program: iv_ketamine, weight_kg: 80,\n"
        "          started_at: 2026-05-04T10:00:00Z}\n"
        "    feeds: {doses: [{drug: ketamine, amount_mg: 20, started_at: 2026-05-04T10:00:00Z}]}\n"
        "    expect: {dose: not_met, heft: met}\n"
        "  - title: Another programme\n    row: {status: completed, program: other,\n"
        "          started_at: 2026-05-04T10:00:00Z}\n    expect: {dose: met}\n"
    )
    (tmp_path / "draft.yaml").write_text(DRAFT + example)
    said = keel("test", "draft.yaml", code=1).stdout
    assert "  FAIL  A high dose: dose: not met expected, met found\n" in said
    assert "  FAIL  Another programme: not judged; the protocol judges sessions" in said
    assert "0 of 2 examples hold, 3 verdicts in all" in said
    assert "no example shows" not in said


def test_a_protocol_without_examples_says_so(past: Nights) -> None:
    assert "no worked example" in keel("test", "draft.yaml").stdout


def test_a_broken_file_exits_2_wherever_it_lies(past: Nights, tmp_path: Path) -> None:
    (tmp_path / "draft.yaml").write_text(DRAFT.replace("expr:", "epxr:", 1))
    said = keel("test", "draft.yaml", code=2).stderr
    assert said.startswith("keel: draft.yaml, line 9: epxr is not known here; did you mean expr?")
    past.write_protocol("broken.yaml", "protocol: [")
    assert "broken.yaml, line " in keel("test", code=2).stderr
    assert "broken.yaml, line " in keel("list", code=2).stderr


# diff


def test_a_difference_is_told_in_words(past: Nights) -> None:
    assert keel("diff", "infusions@1.0.0", "draft.yaml").stdout.splitlines() == [
        "version: 1.0.0 became 1.1.0",
        "in force: from 2020-01-01 on became from 2027-01-01 on",
        "rule weight was dropped (Weight)",
        "rule dose: at most 1 mg/kg became at most 0.4 mg/kg",
        "rule heft is new (Weight; minor, T4): Weight charted: must be yes",
    ]
    assert keel("diff", "draft.yaml", "draft.yaml").stdout == "nothing changed\n"


# replay


def test_a_replay_shows_what_flips_per_rule_and_clinic(past: Nights) -> None:
    found = told("replay", "draft.yaml")
    assert (found["draft"], found["against"]) == ("infusions@1.1.0", ["infusions@1.0.0"])
    assert (found["judged"], found["judged_before"]) == (5, 5)
    flips = {(f["rule_id"], f["clinic_id"], f["old"], f["new"]): f["count"] for f in found["rules"]}
    assert flips == {
        ("dose", "north", "met", "not_met"): 1,
        ("dose", "south", "met", "not_met"): 2,
        ("weight", "north", "met", "no such rule"): 3,
        ("weight", "south", "met", "no such rule"): 2,
        ("heft", "north", "no such rule", "met"): 3,
        ("heft", "south", "no such rule", "met"): 2,
    }
    whole = {(f["clinic_id"], f["old"], f["new"]): f["count"] for f in found["subjects_by_status"]}
    assert whole == {
        ("north", "incomplete", "non_compliant"): 1,
        ("south", "incomplete", "non_compliant"): 2,
    }


def test_a_replay_keeps_to_its_period_ends_included(past: Nights) -> None:
    found = told("replay", "draft.yaml", "--from", "2026-05-06", "--to", "2026-05-10", "--subjects")
    assert found["judged"] == 3
    doses = [row for row in found["subjects"] if row["rule_id"] == "dose"]
    assert [(row["clinic_id"], row["subject_id"]) for row in doses] == [("south", "s4")]
    assert doses[0]["reason"] == "dose per kg: 0.5 mg/kg; at most 0.4 mg/kg required"
    assert told("replay", "draft.yaml", "--to", "2026-05-05")["judged"] == 1


def test_a_replay_is_told_in_words(past: Nights) -> None:
    said = keel("replay", "draft.yaml", "--subjects").stdout
    assert "draft infusions@1.1.0 against infusions@1.0.0" in said
    assert "dose (Dose)\n  north: 1 met -> not met\n  south: 2 met -> not met\n" in said
    assert "as before: time, score" in said
    assert "  north s1 dose, met -> not met: " in said
    nothing = keel("replay", "draft.yaml", "--from", "2030-01-01").stdout
    assert "nothing was judged; choose another period" in nothing


def test_a_draft_of_another_id_is_replayed_alone(past: Nights, tmp_path: Path) -> None:
    (tmp_path / "draft.yaml").write_text(DRAFT.replace("protocol: infusions", "protocol: other"))
    found = told("replay", "draft.yaml")
    assert (found["against"], found["judged"], found["judged_before"]) == ([], 5, 0)
    assert {row["old"] for row in found["rules"]} == {"not judged"}


def test_a_clinic_that_nobody_knows_is_noted(past: Nights, tmp_path: Path) -> None:
    scoped = DRAFT.replace("drug:", "clinics: [noth, south]\ndrug:")
    (tmp_path / "draft.yaml").write_text(scoped)
    note = "infusions@1.1.0: its `clinics` name noth, which is no clinic here; did you mean north?"
    assert told("replay", "draft.yaml")["notes"] == [note]
    assert f"note: {note}" in keel("replay", "draft.yaml").stdout
    past.write_protocol("infusions.yaml", scoped)
    _, counts = past.publish()
    assert counts.notes == (note,)


def test_outcomes_are_replayed_too(past: Nights, tmp_path: Path) -> None:
    rows = [
        {"outcome_id": "o1", "patient_id": "p1", "instrument": "PHQ-9", "total": total,
         "administered_at": "2026-05-05T10:00"} for total in ("20",)
    ]  # fmt: skip
    past.rows("north/outcomes_1.csv", rows)
    past.publish()
    text = (tmp_path / "protocols" / "scores.yaml").read_text()
    (tmp_path / "scores.yaml").write_text(text.replace("max: 27", "max: 15"))
    found = told("replay", "scores.yaml", "--subjects")
    assert [(row["subject_kind"], row["subject_id"], row["new"]) for row in found["subjects"]] == [
        ("outcome", "o1", "not_met")
    ]


def test_the_list_of_subjects_is_for_its_owner_alone(past: Nights, tmp_path: Path) -> None:
    out = tmp_path / "changed.csv"
    out.write_text("old")
    out.chmod(0o644)
    keel("replay", "draft.yaml", "--out", str(out))
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert {row["subject_id"] for row in rows} == {"s1", "s2", "s3", "s4", "s5"}
    assert len(rows) == 13
    assert not any(name in out.read_text() for name in (*NAMES, "p1"))


def test_a_replay_changes_nothing(past: Nights, tmp_path: Path) -> None:
    folders = (tmp_path / "warehouse", tmp_path / "published")
    before = [hashes(folder) for folder in folders]
    assert any(name.endswith("keel.duckdb") for name in before[0])
    keel("replay", "draft.yaml", "--subjects")
    assert [hashes(folder) for folder in folders] == before


def test_a_warehouse_that_is_held_or_missing_is_told(past: Nights, tmp_path: Path) -> None:
    with past.opened():
        assert "another run holds" in keel("replay", "draft.yaml", code=3).stderr
    none = keel("replay", "draft.yaml", "--warehouse", str(tmp_path / "none"), code=2)
    assert "no warehouse is there" in none.stderr
    assert not (tmp_path / "none").exists()


def test_a_warehouse_of_another_version_is_told(past: Nights, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "warehouse" / "keel.duckdb")) as db:
        db.execute("ALTER TABLE facts.sessions DROP COLUMN weight_kg")
    said = keel("replay", "draft.yaml", code=1).stderr
    assert "written by another version of Keel" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--from", "May"], "--from: not a date; write for example"),
        (["--from", "2026-05-02", "--to", "2026-05-01"], "--to: 2026-05-01 is before 2026-05-02"),
        (["--as-of", "soon"], "--as-of: not an ISO 8601 instant"),
    ],
)
def test_a_wrong_option_is_told(past: Nights, options: list[str], said: str) -> None:
    assert said in keel("replay", "draft.yaml", *options, code=2).stderr
