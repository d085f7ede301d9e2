"""What stands in each pack: the month's rows, known by heart."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from pathlib import Path

import pytest

from tests.audit.network import MAY, NAMES, audit, manifest, pack, words
from tests.publish.nights import Nights


def column(rows: list[dict[str, str]], *names: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_rems_forms_are_counted_in_local_days(month: Nights, tmp_path: Path) -> None:
    found = pack(month, "rems", tmp_path / "rems")
    assert column(found["forms"], "session_id", "due_on", "days_to_submit", "status") == [
        ("e1", "2026-05-11", "7", "in time"),
        ("e2", "2026-05-11", "8", "late"),
        ("e3", "2026-05-18", "", "overdue"),
    ]


def test_rems_times_from_the_first_device_and_from_the_last(month: Nights, tmp_path: Path) -> None:
    found = pack(month, "rems", tmp_path / "rems")
    assert column(found["monitoring"], "session_id", "minutes_from_first", "minutes_from_last",
                  "readings", "with_oximetry") == [
        ("e1", "124.0", "119.0", "2", "1"),
        ("e2", "150.0", "145.0", "0", "0"),
        ("e3", "60.0", "", "0", "0"),  # three devices in one row, whose end nobody charted
    ]  # fmt: skip


def test_rems_enrolment_certification_training(month: Nights, tmp_path: Path) -> None:
    found = pack(month, "rems", tmp_path / "rems")
    assert sorted(column(found["enrolment"], "first_dose_on", "enrolled")) == [
        ("2026-04-30", "after the first dose"),
        ("2026-05-04", "before the first dose"),
    ]
    (clinic,) = found["certification"]
    assert (clinic["sessions_in_period"], clinic["while_certified"]) == ("3", "1")
    assert column(found["training"], "staff_id", "trained") == [
        ("u1", "before the first session"),
        ("u2", "not charted"),
        ("u3", "after the first session"),
    ]


def test_rems_verdicts_are_those_of_law_and_label(month: Nights, tmp_path: Path) -> None:
    found = pack(month, "rems", tmp_path / "rems")
    assert column(found["verdicts"], "session_id", "rule_id", "status", "waived", "citation") == [
        ("e1", "two-hours", "met", "True", "The label"),
        ("e2", "two-hours", "met", "False", "The label"),
        ("e3", "two-hours", "not_met", "False", "The label"),
    ]


def test_dea_log_has_names_and_a_blank_address(month: Nights, tmp_path: Path) -> None:
    found = pack(month, "dea", tmp_path / "dea")
    assert {row["address"] for row in found["log"]} == {""}
    assert column(found["log"], "what", "family_name", "given_name", "drug", "amount_mg",
                  "record_id") == [
        ("administered", "Quixote", "Zelda", "esketamine", "28.0", "e1-d"),
        ("administered", "Xanadu", "Yorick", "esketamine", "28.0", "e2-d"),
        ("administered", "Xanadu", "Yorick", "esketamine", "28.0", "e2-second"),
        ("administered", "'=Formula", "'=Formula", "ketamine", "40.0", "s1-d"),
        ("administered", "'=Formula", "'=Formula", "ketamine", "40.0", "s2-d"),
        ("dispensed", "Quixote", "Zelda", "ketamine", "400.0", "d1"),  # d2 is the pharmacy's
        ("administered", "Quixote", "Zelda", "esketamine", "28.0", "e3-d"),
    ]  # fmt: skip
    assert column(found["log"], "record_id", "prescriber_id")[-2:] == [("d1", "u1"), ("e3-d", "u1")]
    assert "address column" in words(tmp_path / "dea")
    assert "address column" in manifest(tmp_path / "dea")["notes"][0]


def test_dea_waste_counts_variances_and_losses(month: Nights, tmp_path: Path) -> None:
    found = pack(month, "dea", tmp_path / "dea")
    assert column(found["receipts"], "entry_id") == [("i1",)]
    assert column(found["waste"], "source", "wasted_mg", "witnessed", "record_id") == [
        ("chart", "60.0", "yes", "s1-d"),
        ("chart", "60.0", "by the same person", "s2-d"),
        ("stock book", "120.0", "no witness", "i3"),
    ]
    assert column(found["counts"], "entry_id", "amount_mg") == [("i5", "270.0")]
    (lot,) = found["variances"]
    assert (lot["expected_mg"], lot["counted_mg"], lot["variance_mg"]) == (
        "280.0",
        "270.0",
        "-10.0",
    )
    assert column(
        found["losses"], "entry_id", "location", "weekdays_to_notice", "days_to_form_106"
    ) == [
        ("i8", "North", "", ""),  # happened in April, was discovered in May and told nobody
        ("i4", "North", "1", "12"),  # discovered on a Friday evening, told on Monday
    ]


def test_survey_findings_lead_to_the_row_that_was_judged(month: Nights, tmp_path: Path) -> None:
    found = pack(month, "survey", tmp_path / "survey")
    rows = {(row["subject_id"], row["rule_id"]): row for row in found["findings"]}
    missed = rows["e3", "two-hours"]
    assert (missed["status"], missed["citation"]) == ("not_met", "The label")
    assert (missed["delivered_in"], missed["delivered_as_row"]) == ("north/sessions_x.csv", "3")
    assert ("e4", "two-hours") not in rows
    rules = {(row["protocol"], row["rule_id"]): row for row in found["rules"]}
    assert column([rules["nasal", "two-hours"]], "met", "met_or_not_met", "rate") == [
        ("2", "3", str(2 / 3))
    ]
    assert column(found["waivers"], "waiver_id", "reason") == [("w1", "agreed")]
    assert {"north/sessions_x.csv", "_network/waivers_x.csv"} <= {
        row["path"] for row in found["deliveries"]
    }
    assert "unbroken" in words(tmp_path / "survey")


def test_survey_holds_the_protocols_as_they_stood(month: Nights, tmp_path: Path) -> None:
    """Their files may have been changed since; the hashes are those that the run judged by."""
    source = month.folder / "protocols" / "nasal.yaml"
    text = source.read_text()
    source.write_text(text.replace("min: 2h", "min: 1h"))
    try:
        found = pack(month, "survey", tmp_path / "survey")
    finally:
        source.write_text(text)
    held = {row["protocol"]: row for row in found["protocols"]}
    assert held.keys() == {"nasal", "infusions"}
    kept = tmp_path / "survey" / held["nasal"]["file"]
    assert kept.read_text() == text
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == held["nasal"]["sha256"]


def test_names_stand_in_the_dea_pack_alone(month: Nights, tmp_path: Path) -> None:
    for kind in ("rems", "survey", "dea"):
        pack(month, kind, tmp_path / kind)
    done = audit(month, "sample", *MAY, "--seed", "1", "--out", tmp_path / "sample")
    assert done.exit_code == 0
    assert all(name in words(tmp_path / "dea") for name in NAMES)
    for other in ("rems", "survey", "sample"):
        said = words(tmp_path / other)
        assert not [name for name in NAMES if name in said]
        assert not re.search(r"\bp[123]\b", said)
    assert [kind for kind in ("rems", "survey", "dea", "sample")
            if manifest(tmp_path / kind)["holds_names"]] == ["dea"]  # fmt: skip


@pytest.mark.parametrize("kind", ["rems", "dea", "survey"])
def test_a_pack_is_its_owners_alone_and_logged_first(
    month: Nights, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "new" / kind
    pack(month, kind, folder)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    *_, (act, subject) = month.ask("SELECT act, subject FROM ops.audit_log ORDER BY entry_no")
    assert act == f"audit pack {kind}"
    assert subject == f"north 2026-05-01 to 2026-05-31, manifest {digest}"


def test_no_pack_is_shown_that_the_log_does_not_know(
    month: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flows.audit_packs.bundle.append", refuse)
    done = audit(month, "pack", "--kind", "dea", *MAY, "--out", tmp_path / "dea")
    assert done.exit_code == 4
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_command_left_is_swept(month: Nights, tmp_path: Path) -> None:
    (tmp_path / ".rems.tmp").mkdir()
    (tmp_path / ".rems.tmp" / "half").write_text("x")
    pack(month, "rems", tmp_path / "rems")
    assert [path.name for path in tmp_path.iterdir()] == ["rems"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--clinic", "nort", "--from", "2026-05-01", "--to", "2026-05-31"], "did you mean north"),
        (["--clinic", "north", "--from", "2026-05-31", "--to", "2026-05-01"], "earlier day first"),
        (["--clinic", "north", "--from", "May", "--to", "2026-05-31"], "--from: not a day"),
        ([*MAY, "--out", "."], "is there already"),
    ],
)
def test_wrong_use_is_one_sentence(month: Nights, arguments: list[str], said: str) -> None:
    done = audit(month, "pack", "--kind", "rems", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_json_says_where_and_what(month: Nights, tmp_path: Path) -> None:
    done = audit(month, "pack", "--kind", "rems", *MAY, "--out", tmp_path / "rems", "--json")
    told = json.loads(done.stdout)
    assert told["folder"] == str(tmp_path / "rems")
    assert told["rows"] == manifest(tmp_path / "rems")["rows"]
    assert told["rows"]["forms"] == 3
