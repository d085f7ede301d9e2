"""`keel check`, as the person who exports files meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from checks.contract import contract, contracts
from checks.quarantine import WORDS
from tests.checks.rows import good_row
from tests.commands.cli import keel, snapshot
from tests.load.network import NORTH, Network, as_csv

SECRET = "Zacharias-Quill"
SESSIONS = "session_id,patient_id,program,status\n"
VITALS = "vital_id,session_id,measured_at,systolic_mmhg,diastolic_mmhg,spo2_pct,position\n"


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    """A landing folder with two clinics, which is the working folder's own."""
    monkeypatch.chdir(tmp_path)
    return Network(tmp_path)


def told(*arguments: str | Path) -> dict[str, Any]:
    """What `keel check --json` says."""
    done = keel("check", "--json", *arguments)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == (5 if found["blocked"] else 0)
    assert SECRET not in done.stdout
    return found


def one(*arguments: str | Path) -> dict[str, Any]:
    """What it says of the one file that was named."""
    (item,) = told(*arguments)["files"]
    assert isinstance(item, dict)
    return item


def sections(said: str) -> dict[str, list[str]]:
    """By file name: the line that says what would become of it, and those below."""
    found: dict[str, list[str]] = {}
    for line in said.splitlines():
        if not line.startswith("  "):
            name = Path(line.partition(": ")[0]).name
            found[name] = []
        found[name].append(line)
    return found


def faults(item: dict[str, Any]) -> set[tuple[str, str, str, tuple[int, ...]]]:
    return {
        (f["severity"], f["column"], f["code"], tuple(f["row_numbers"])) for f in item["faults"]
    }


# What is fine


@pytest.mark.long
def test_every_feed_with_a_good_row_is_fine(network: Network) -> None:
    for feed in contracts():
        columns = ["clinic_id", *(n for n in contract(feed).names if n != "clinic_id")]
        row = {"clinic_id": NORTH, **good_row(contract(feed))}
        network.deliver(f"{NORTH}/{feed}.csv", as_csv([row], columns))
    done = keel("check", "landing")
    assert done.exit_code == 0
    assert "19 files: 19 would be loaded in full." in done.stdout
    assert "warning" not in done.stdout and "note" not in done.stdout


def test_a_header_without_rows_is_a_delivery(network: Network) -> None:
    path = network.deliver(f"{NORTH}/sessions.csv", SESSIONS)
    done = keel("check", path)
    assert done.exit_code == 0
    assert "has a header and no rows" in done.stdout


def test_network_files_are_judged_by_the_clinic_of_each_row(network: Network) -> None:
    header = "clinic_id,session_id,patient_id,program,status,started_at\n"
    path = network.deliver(
        "_network/sessions.csv",
        header
        + f"{NORTH},s1,p1,iv,completed,2026-03-08T02:30\n"  # the clocks of Chicago skip it
        + "south,s2,p1,iv,completed,2026-03-08T02:30\n"  # those of Phoenix do not
        + f"{SECRET},s3,p1,iv,completed,\n",
    )
    assert faults(one(path)) == {
        ("quarantine", "started_at", "missing_local_time", (1,)),
        ("quarantine", "clinic_id", "unknown_clinic", (3,)),
    }


# What is wrong with rows


BAD_ROWS = {
    "unreadable": ("v1,s1,soon,,,,", "measured_at"),
    "missing": ("v1,,2026-03-02T10:00,,,,", "session_id"),
    "not_in_list": (f"v1,s1,2026-03-02T10:00,,,,{SECRET}", "position"),
    "out_of_bounds": ("v1,s1,2026-03-02T10:00,,,120,", "spo2_pct"),
    "missing_local_time": ("v1,s1,2026-03-08T02:30,,,,", "measured_at"),
    "ambiguous_local_time": ("v1,s1,2026-11-01T01:30,,,,", "measured_at"),
    "key_twice": ("v0,s1,2026-03-02T10:00,,,97,", "vital_id"),
}
GOOD_VITAL = "v0,s1,2026-03-02T10:00,,,,\n"
# These need another feed or a foreign export.
OTHERS = {"unknown_zone", "not_this_clinic", "unknown_clinic", "no_time_zone", "not_selected"}


def test_each_reason_names_row_and_column_and_no_value(network: Network) -> None:
    for code, (line, _) in BAD_ROWS.items():
        network.deliver(f"{NORTH}/vitals_{code}.csv", VITALS + GOOD_VITAL + line + "\n")
    done = keel("check", f"landing/{NORTH}")
    assert done.exit_code == 5
    found = sections(done.stdout)
    for code, (line, column) in BAD_ROWS.items():
        first, *rest = found[f"vitals_{code}.csv"]
        rows = "rows 1, 2" if code == "key_twice" else "row 2"
        assert "would be blocked" in first
        assert len(rest) == 1 and rest[0].startswith(f"  {rows}: {column} ")
        values = {value for value in line.split(",") if len(value) > 2}
        assert not any(value in done.stdout for value in values)


def test_every_reason_there_is_has_an_example() -> None:
    assert {*BAD_ROWS, *OTHERS} == set(WORDS)


def test_a_clinics_file_and_a_file_of_another_clinic(network: Network) -> None:
    zones = network.deliver("_network/clinics_b.csv", f"clinic_id,name,time_zone\nx,y,{SECRET}\n")
    other = network.deliver(
        f"{NORTH}/sessions.csv", "clinic_id," + SESSIONS + "south,s1,p1,iv,completed\n"
    )
    first, second = told(zones, other)["files"]
    assert faults(first) == {("quarantine", "time_zone", "unknown_zone", (1,))}
    assert faults(second) == {("quarantine", "clinic_id", "not_this_clinic", (1,))}


def test_few_bad_rows_leave_the_others_loaded(network: Network) -> None:
    good = "".join(f"v{n},s1,2026-03-02T10:00,,,97,\n" for n in range(99))
    path = network.deliver(f"{NORTH}/vitals.csv", VITALS + good + "v99,,2026-03-02T10:00,,,,\n")
    done = keel("check", path)
    assert done.exit_code == 0
    assert "1 row of 100 would be quarantined; mend them" in done.stdout
    assert "1 with rows that would be quarantined" in done.stdout


def test_thousands_of_bad_rows_stay_readable(network: Network) -> None:
    lines = "".join(f"v{n},s1,2026-03-02T10:00,,,{97 + n % 2 * 10},\n" for n in range(6_000))
    path = network.deliver(f"{NORTH}/vitals.csv", VITALS + lines)
    done = keel("check", path)
    assert done.exit_code == 5
    assert "3,000 of its 6,000 rows would be quarantined" in done.stdout
    assert "  rows 2, 4, 6, 8, 10, 12, 14, 16, 18, 20 and 2,990 more: spo2_pct " in done.stdout
    assert len(done.stdout.splitlines()) < 10
    assert "rows 2, 4 and 2,998 more: spo2_pct" in keel("check", path, "--rows", "2").stdout


# What loads and warns


def test_range_order_set_and_references_warn_with_their_rows(network: Network) -> None:
    network.deliver(f"{NORTH}/patients.csv", "patient_id\np1\n")
    path = network.deliver(
        f"{NORTH}/doses.csv",
        "dose_id,patient_id,drug,amount_mg,started_at,ended_at\n"
        "d1,p1,ketamine,40,2026-03-02T10:00,2026-03-02T10:40\n"
        "d2,p1,ketamine,40,2026-03-02T10:00,2026-03-02T09:59\n"
        f"d3,p1,{SECRET},40,2026-03-02T10:00,2026-03-02T10:00\n"
        "d4,p2,ketamine,40,2026-03-02T10:00,\n",
    )
    vitals = network.deliver(f"{NORTH}/vitals.csv", VITALS + "v1,s1,2026-03-02T10:00,250,,,\n")
    done = keel("check", path, vitals)
    assert done.exit_code == 0 and SECRET not in done.stdout
    found = sections(done.stdout)
    assert found["doses.csv"][0].endswith("4 rows, all would be loaded.")
    assert found["doses.csv"][1:] == [
        "  warning, row 2: ended_at is before started_at",
        "  warning, row 3: drug is none of the usual values (ketamine, esketamine, midazolam, "
        "ondansetron, labetalol, clonidine, lorazepam, glycopyrrolate)",
        "  warning, row 4: patient_id is in no row of patients",
    ]
    assert found["vitals.csv"][1] == (
        "  warning, row 1: systolic_mmhg is outside what is usual (70 to 230 mmHg)"
    )


def test_a_warning_is_told_of_the_file_it_is_in(network: Network) -> None:
    late = "v1,s1,2026-03-02T10:00,250,,,\n"
    usual = network.deliver(f"{NORTH}/vitals_a.csv", VITALS + late.replace("250", "120"))
    unusual = network.deliver(f"{NORTH}/vitals_b.csv", VITALS + late)
    found = {item["path"]: item["faults"] for item in told(usual, unusual)["files"]}
    assert found[str(usual)] == [] and len(found[str(unusual)]) == 1


def test_references_are_compared_with_what_lies_beside_or_is_named_along(network: Network) -> None:
    sessions = SESSIONS + "s1,p1,iv,completed\ns2,p2,iv,completed\n"
    beside = network.deliver(f"{NORTH}/sessions.csv", sessions)
    assert any("not compared with patients" in note for note in told(beside)["notes"])
    network.deliver(f"{NORTH}/patients_2026-01-01.csv", "patient_id\np1\n")
    network.deliver("south/patients.csv", "patient_id\np2\n")
    assert faults(one(beside)) == {("warn", "patient_id", "reference", (2,))}
    (network.folder / "plain").mkdir()
    (network.folder / "plain" / "sessions.csv").write_text(sessions)
    (network.folder / "plain" / "patients.csv").write_text("patient_id\np2\n")
    found = {item["feed"]: item for item in told("plain")["files"]}
    assert faults(found["sessions"]) == {("warn", "patient_id", "reference", (1,))}


def test_an_unknown_column_is_told(network: Network) -> None:
    path = network.deliver(f"{NORTH}/sessions.csv", "colour," + SESSIONS + "x,s1,p1,iv,completed\n")
    done = keel("check", path)
    assert done.exit_code == 0
    assert "warning: column colour is not known and would not be used" in done.stdout


# What is wrong with a file


BLOCKED = {
    "a column is missing": (f"session_id,patient,program,status\n1,{SECRET},,\n", "is patient;"),
    "no CSV": (b"PK\x03\x04\x00\xff" + SECRET.encode(), "zero bytes"),
    "empty": ("", "not even a header"),
    "semicolons": (SESSIONS.replace(",", ";"), "semicolons"),
    "a field too many": (SESSIONS + f"s1,p1,iv,completed,{SECRET}\n", "line 2 has 5 fields"),
    "no UTF-8": (SESSIONS.encode() + b"s1,caf\xe9,iv,completed\n", "UTF-8"),
}


def test_files_that_would_be_blocked_and_one_of_no_feed(network: Network) -> None:
    for at, (content, _) in enumerate(BLOCKED.values()):
        network.deliver(f"{NORTH}/sessions_{at}.csv", content)
    network.deliver(f"{NORTH}/sesions.csv", SESSIONS)
    network.deliver("atlantis/sessions.csv", SESSIONS)
    done = keel("check", f"landing/{NORTH}", "landing/atlantis")
    assert done.exit_code == 5 and SECRET not in done.stdout
    found = sections(done.stdout)
    for at, (_, said) in enumerate(BLOCKED.values()):
        (line,) = found[f"sessions_{at}.csv"]
        assert ": would be blocked: " in line and said in line and "mend that" in line
    assert "clinics file" in found["sessions.csv"][0], "its folder is no clinic's"
    assert "did you mean sessions?" in found["sesions.csv"][0]
    assert done.stdout.splitlines()[-1] == "8 files: 7 would be blocked, 1 would be left aside."


def test_a_file_of_no_feed_alone_counts_as_blocked(network: Network) -> None:
    assert told(network.deliver(f"{NORTH}/sesions.csv", SESSIONS))["blocked"]


def test_the_same_bytes_twice_are_loaded_once(network: Network) -> None:
    for name in ("a", "b"):
        network.deliver(f"{NORTH}/sessions_{name}.csv", SESSIONS + "s1,p1,iv,completed\n")
    done = keel("check", f"landing/{NORTH}")
    assert done.exit_code == 0
    assert "sessions_b.csv: would not be loaded again: its bytes are those of" in done.stdout


# Where files lie


def test_files_outside_any_clinic(network: Network) -> None:
    row = "s1,p1,iv,completed,2026-03-08T02:30\n"
    folder = network.folder / "my exports" / f"o'brien, {SECRET[:3]}"
    folder.mkdir(parents=True)
    path = folder / "sessions.csv"
    path.write_text("clinic_id," + SESSIONS.strip() + ",started_at\n" + "".join([f"{NORTH},{row}"]))
    said = told(path)
    assert faults(said["files"][0]) == set() and said["files"][0]["clinic_id"] is None
    assert any("--time-zone" in note for note in said["notes"])
    missing = ("quarantine", "started_at", "missing_local_time", (1,))
    assert faults(one(path, "--time-zone", "America/Denver")) == {missing}
    assert faults(one(path, "--clinic", NORTH)) == {missing}, "Chicago, as its clinics file says"
    elsewhere = told(path, "--clinic", "atlantis", "--time-zone", "America/Denver")
    not_this = ("quarantine", "clinic_id", "not_this_clinic", (1,))
    assert faults(elsewhere["files"][0]) == {missing, not_this}
    assert any("atlantis: no clinics file" in note for note in elsewhere["notes"])


def test_a_link_is_followed_unless_it_lies_where_a_night_would_not_follow_it(
    network: Network,
) -> None:
    path = network.deliver(f"{NORTH}/sessions.csv", SESSIONS)
    link = network.folder / "sessions_link.csv"
    link.symlink_to(path)
    assert one(link)["state"] == "accepted"
    inside = path.with_name("sessions_link.csv")
    inside.symlink_to(path)
    said = told(inside)
    assert said["files"] == [] and said["blocked"]
    assert "link" in said["left_aside"][0][1]
    everything = told("landing")
    assert not everything["blocked"] and len(everything["left_aside"]) == 1


def test_what_a_night_does_not_look_at_is_told(network: Network) -> None:
    network.deliver(f"{NORTH}/sessions.csv", SESSIONS)
    network.deliver(f"{NORTH}/old/sessions_deep.csv", SESSIONS)
    network.deliver(f"{NORTH}/sessions o'brien.csv", SESSIONS)
    network.deliver(f"{NORTH}/.hidden.csv", SESSIONS)
    network.deliver(f"{NORTH}/notes.txt", "x")
    network.deliver("sessions_beside.csv", SESSIONS)
    aside = {Path(path).name: why for path, why in told("landing")["left_aside"]}
    assert set(aside) == {
        "sessions_deep.csv", "sessions o'brien.csv", "notes.txt", "sessions_beside.csv",
    }  # fmt: skip
    assert "deeper" in aside["sessions_deep.csv"] and "rename" in aside["sessions o'brien.csv"]


def test_keels_own_folders_are_no_exports(network: Network) -> None:
    network.deliver(f"{NORTH}/sessions.csv", SESSIONS + "s1,p1,iv,completed\n")
    network.night(["clinics", "sessions"])
    said = told(network.folder)
    assert {Path(item["path"]).name for item in said["files"]} == {
        "clinics_2026-01-01.csv", "sessions.csv",
    }  # fmt: skip
    assert said["left_aside"] == []


# Usage


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.csv"], "nothing.csv: there is no such file"),
        (["."], "no export is there"),
        (["a.csv", "--time-zone", "Mars/Olympus"], "IANA"),
        (["a.csv", "--clinic", "../x"], "--clinic"),
        (["a.csv", "--config", "none.toml"], "none.toml"),
        ([], "Missing argument"),
    ],
)
def test_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if "a.csv" in arguments:
        (tmp_path / "a.csv").write_text(SESSIONS)
    done = keel("check", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_nothing_is_written_to_the_landing_folder_or_the_warehouse(network: Network) -> None:
    network.deliver(f"{NORTH}/sessions.csv", SESSIONS + "s1,p1,iv,completed\n")
    network.night(["clinics", "sessions"])
    network.deliver(f"{NORTH}/vitals.csv", VITALS + BAD_ROWS["unreadable"][0] + "\n")
    before = snapshot(network.folder)
    assert keel("check", "landing").exit_code == 5
    assert snapshot(network.folder) == before


@pytest.mark.long
def test_it_says_what_the_night_then_does(network: Network) -> None:
    for name, content in {
        "sessions_good": SESSIONS + "s1,p1,iv,completed\n",
        "sessions_bad": SESSIONS + "s1,p1,iv,perhaps\n",
        "sessions_short": "session_id\n1\n",
        "sessions_twice": SESSIONS + "s1,p1,iv,completed\n",
    }.items():
        network.deliver(f"{NORTH}/{name}.csv", content)
    network.settings = network.settings.model_copy(update={"quarantine_share": 0.05})
    said = {
        Path(i["path"]).stem: (i["state"], i["reason"]) for i in told(f"landing/{NORTH}")["files"]
    }
    network.night(["clinics", "sessions"])
    for stem, (state, reason) in said.items():
        then, why = network.state(f"{NORTH}/{stem}.csv")
        assert state == then
        assert reason == why or state == "duplicate"
