"""A published run: what is in its folder, and what is not."""

from __future__ import annotations

import hashlib
import hmac
import stat
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from flows.partitions import write_verdicts
from flows.pseudonyms import KEY_FILE
from flows.warehouse import open_warehouse
from tests.publish.nights import Nights

SECRETS = ("p1", "p2", "Ada", "Lovelace", "+1 555 0100", "60614", "1990-01-02", "ada@north")
# Contract, section 4.
COLUMNS = {
    "marts.findings": "finding_id clinic_id subject_kind subject_id session_id patient_id protocol "
    "protocol_version rule_id severity tier status observed reason started_at waived "
    "first_found_run run_id",
    "marts.subject_adherence": "clinic_id subject_kind subject_id patient_id protocol "
    "protocol_version started_at status worst_severity met not_met not_evaluable pending excluded",
    "marts.coverage": "clinic_id program month judged not_dosed uncovered",
    "marts.rule_monthly": "clinic_id protocol protocol_version rule_id month met not_met waived "
    "not_evaluable pending excluded rate rate_low rate_high rate_without_waived documented_rate "
    "completeness",
    "marts.operations_monthly": "clinic_id program month booked completed aborted no_show "
    "cancelled_late cancelled unreconciled chair_minutes open_minutes utilisation "
    "wait_minutes_median observation_minutes_median",
    "marts.risk_flags": "flag_id subject_kind subject_id clinic_id signal points observed "
    "threshold peers reason first_at last_at",
    "marts.risk_scores": "subject_kind subject_id clinic_id score level signals",
    "marts.lot_balance": "clinic_id lot drug received_mg administered_mg dispensed_mg wasted_mg "
    "other_out_mg expected_mg counted_mg variance_mg counted_at",
    "marts.worklist": "clinic_id subject_id patient_id rule_id due_at action severity",
    "ops.runs": "run_id as_of state",
    "ops.batches": "batch_id clinic_id feed state rows loaded unchanged quarantined",
    "ops.check_results": "run_id feed expectation_id success",
    "ops.verdict_changes": "change_id run_id changed_at clinic_id subject_kind subject_id protocol "
    "protocol_version_before protocol_version_after rule_id status_before status_after cause",
    "ops.audit_log": "acted_at actor act subject previous_hash entry_hash",
    "ops.quarantine": "batch_id row_number reasons session_id patient_id",
}
VERDICTS = [
    "clinic_id", "subject_kind", "subject_id", "protocol", "protocol_version", "rule_id",
    "status", "observed", "waived",
]  # fmt: skip


@pytest.fixture(scope="module")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Two clinics; at north a patient with a name, and one whose row is in quarantine."""
    nights = Nights(tmp_path_factory.mktemp("published"))
    nights.rows(
        "north/patients_2026-05-31.csv",
        [
            {"patient_id": "p1", "person_id": "ada@north", "given_name": "Ada",
             "family_name": "Lovelace", "phone": "+1 555 0100", "postal_code": "60614",
             "birth_date": "1990-01-02"},
            {"patient_id": "p2", "birth_date": "long ago"},
        ],
    )  # fmt: skip
    nights.sessions(
        "north/2026-05-31",
        nights.session("s1"),
        nights.session("s2", day="2026-05-11", dose=100),
        nights.session("s3", patient="p2", day="2026-04-30", minutes=90, weight_kg=""),
        nights.session("s4", status="Ada Lovelace"),
    )
    nights.sessions("south/2026-05-31", nights.session("s1", dose=None))
    nights.rows(
        "north/outcomes_2026-05-31.csv",
        [
            {"outcome_id": "o1", "patient_id": "p1", "session_id": "s1", "instrument": "PHQ-9",
             "administered_at": "2026-05-05T09:00", "total": "30"},
            {"outcome_id": "Ada", "patient_id": "Lovelace", "session_id": "+1 555 0100",
             "instrument": "PHQ-9", "administered_at": "60614", "total": "30"},
        ],
    )  # fmt: skip
    nights.publish()
    return nights


@pytest.fixture
def published(published_once: Nights, tmp_path: Path) -> Nights:
    return published_once.copied(tmp_path)


def test_findings_say_what_was_not_met(published: Nights) -> None:
    assert published.read(
        "SELECT clinic_id, subject_kind, subject_id, rule_id, status, severity, observed, waived "
        "FROM marts.findings ORDER BY ALL"
    ) == [
        ("north", "outcome", "o1", "total", "not_met", "minor", 30.0, False),
        ("north", "session", "s2", "dose", "not_met", "critical", 1.25, False),
        ("north", "session", "s2", "score", "not_met", "minor", 0.0, False),
        ("north", "session", "s3", "dose", "not_evaluable", "critical", None, False),
        ("north", "session", "s3", "score", "not_met", "minor", 0.0, False),
        ("north", "session", "s3", "time", "not_met", "major", 90.0, False),
        ("north", "session", "s3", "weight", "not_met", "minor", 0.0, False),
        ("south", "session", "s1", "dose", "not_evaluable", "critical", None, False),
        ("south", "session", "s1", "score", "not_evaluable", "minor", None, False),
    ]


def test_subjects_say_how_they_fared(published: Nights) -> None:
    assert published.read(
        "SELECT clinic_id, subject_id, status, worst_severity, met, not_met, not_evaluable "
        "FROM marts.subject_adherence ORDER BY ALL"
    ) == [
        ("north", "o1", "minor_misses", "minor", 0, 1, 0),
        ("north", "s1", "compliant", None, 4, 0, 0),
        ("north", "s2", "non_compliant", "critical", 2, 2, 0),
        ("north", "s3", "non_compliant", "major", 0, 3, 1),
        ("south", "s1", "incomplete", None, 2, 0, 2),
    ]


def test_every_table_has_the_columns_that_are_promised(published: Nights) -> None:
    for table, promised in COLUMNS.items():
        schema, name = table.split(".")
        found = published.read(
            "SELECT column_name FROM information_schema.columns "
            f"WHERE table_schema = '{schema}' AND table_name = '{name}'"
        )
        assert set(promised.split()) <= {column for (column,) in found}, table


def test_the_worklist_holds_what_can_still_be_met(nights: Nights) -> None:
    nights.rows("north/outcomes_2026-05-31.csv", [])
    nights.sessions(
        "north/2026-05-31",
        nights.session("s1", day="2026-05-30"),
        nights.session("s2", patient="p2", day="2026-05-20"),
    )
    nights.publish()
    assert nights.read(
        "SELECT clinic_id, subject_id, rule_id, due_at::VARCHAR, severity, action "
        "FROM marts.worklist"
    ) == [
        ("north", "s1", "score", "2026-06-06 15:00:00+00", "minor",
         "Outcome scores, of the same session, from the start to 7 days after the start: at "
         "least 1"),
    ]  # fmt: skip


def test_no_patient_stands_anywhere(published: Nights) -> None:
    with duckdb.connect(str(published.current / "results.duckdb"), read_only=True) as db:
        tables = db.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
        ).fetchall()
        cells = [
            str(cell)
            for schema, table in tables
            for row in db.execute(f"SELECT * FROM {schema}.{table}").fetchall()
            for cell in row
        ]
    assert not {*SECRETS} & {*cells}
    words = " ".join(cells)
    assert not [secret for secret in SECRETS[2:] if secret in words]
    for path in published.current.rglob("*"):
        if path.is_file():
            assert not [s for s in SECRETS[2:] if s.encode() in path.read_bytes()], path.name


def test_a_row_in_quarantine_names_a_session_only_if_there_is_one(published: Nights) -> None:
    late = [
        {"dose_id": "d8", "session_id": "s2", "patient_id": "p1", "drug": "ketamine",
         "amount_mg": "much", "started_at": "2026-05-11T10:00"},
    ]  # fmt: skip
    published.rows("north/doses_2026-06-01.csv", late)
    published.publish()
    rows = published.read("SELECT feed, session_id, patient_id FROM ops.quarantine ORDER BY ALL")
    pseudonyms = dict(published.ask(
        "SELECT patient_id, pseudonym FROM ops.pseudonyms WHERE clinic_id = 'north'"
    ))  # fmt: skip
    assert rows == [
        ("doses", "s2", pseudonyms["p1"]),
        ("outcomes", None, pseudonyms["Lovelace"]),
        ("patients", None, pseudonyms["p2"]),
        ("sessions", None, pseudonyms["p1"]),
    ]


def test_the_header_of_a_file_without_one_is_not_told(nights: Nights) -> None:
    nights.deliver("north/patients.csv", "p1,Ada,Lovelace\np2,Grace,Hopper\n")
    nights.publish()
    assert nights.read(
        "SELECT state, unknown_columns FROM ops.batches WHERE feed = 'patients'"
    ) == [("blocked", [])]


def test_a_pseudonym_is_keyed_and_says_the_clinic_apart(published: Nights) -> None:
    key = published.settings.warehouse / KEY_FILE
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    digest = hmac.new(key.read_bytes(), b"north\x1fp1", hashlib.sha256).hexdigest()
    names = dict(
        published.read("SELECT clinic_id, patient_id FROM marts.findings WHERE rule_id = 'score' "
                       "AND subject_id IN ('s1', 's2')")
    )  # fmt: skip
    assert names["north"] == f"P{digest[:20]}"
    assert names["south"] != names["north"]
    assert published.ask("SELECT count(*), count(DISTINCT pseudonym) FROM ops.pseudonyms") == [
        (4, 4)
    ]


def test_verdicts_lie_by_clinic_and_local_month(published: Nights) -> None:
    assert list(published.verdicts()) == [
        "clinic_id=north/month=2026-04/part.parquet",
        "clinic_id=north/month=2026-05/part.parquet",
        "clinic_id=south/month=2026-05/part.parquet",
    ]
    path = published.current / "verdicts/clinic_id=north/month=2026-04/part.parquet"
    part = pq.ParquetFile(path).read()
    assert set(VERDICTS) <= set(part.column_names)
    assert pl.from_arrow(part).select(VERDICTS).rows() == [  # type: ignore[union-attr]
        ("north", "session", "s3", "infusions", "1.0.0", "dose", "not_evaluable", None, False),
        ("north", "session", "s3", "infusions", "1.0.0", "score", "not_met", 0.0, False),
        ("north", "session", "s3", "infusions", "1.0.0", "time", "not_met", 90.0, False),
        ("north", "session", "s3", "infusions", "1.0.0", "weight", "not_met", 0.0, False),
    ]


def test_a_month_is_the_clinics(nights: Nights) -> None:
    nights.sessions(
        "north/2026-05-31",
        nights.session("s1", started_at="2026-04-30T23:59", ended_at="2026-05-01T00:30"),
    )
    nights.publish()
    assert list(nights.verdicts()) == ["clinic_id=north/month=2026-04/part.parquet"]
    assert nights.read("SELECT DISTINCT month::VARCHAR FROM marts.rule_monthly") == [
        ("2026-04-01",)
    ]


@pytest.mark.parametrize("hive", [False, True])
def test_every_verdict_is_there_however_it_is_read(published: Nights, hive: bool) -> None:
    files = str(published.current / "verdicts" / "**" / "*.parquet")
    counts = duckdb.sql(
        "SELECT clinic_id, month, count(*)::INT FROM read_parquet($files, "
        f"hive_partitioning = {hive}, hive_types_autocast = false) GROUP BY ALL ORDER BY ALL",
        params={"files": files},
    ).fetchall()
    assert counts == [("north", "2026-04", 4), ("north", "2026-05", 9), ("south", "2026-05", 4)]


def test_a_clinics_id_cannot_leave_its_folder(tmp_path: Path) -> None:
    hostile = ["..", "a/b", "../up", "a=b&c", "Zürich", "%2e", "tab\t"]
    with open_warehouse(tmp_path / "warehouse") as warehouse:
        db = warehouse.db
        db.execute(
            "INSERT INTO marts.rules VALUES (1, 'p', '1.0.0', 'r', '', '', '', '', '', 1, '', [])"
        )
        for number, clinic in enumerate(hostile):
            db.execute(
                "INSERT INTO marts.subjects VALUES (?, ?, 'session', 's', 's', 'x', 'p', '1.0.0', "
                "NULL, NULL, DATE '2026-05-04', NULL, NULL, 'compliant', NULL, 1, 0, 0, 0, 0)",
                [number, clinic],
            )
            db.execute("INSERT INTO marts.verdicts VALUES (?, 1, 'met', NULL, false)", [number])
        assert write_verdicts(warehouse, tmp_path / "verdicts") == len(hostile)
    folders = {path.name for path in (tmp_path / "verdicts").iterdir()}
    assert folders == {
        "clinic_id=..", "clinic_id=a%2Fb", "clinic_id=..%2Fup", "clinic_id=a%3Db%26c",
        "clinic_id=Z%C3%BCrich", "clinic_id=%252e", "clinic_id=tab%09",
    }  # fmt: skip
    files = str(tmp_path / "verdicts" / "*" / "*" / "part.parquet")
    found = duckdb.sql(
        "SELECT clinic_id FROM read_parquet($files, hive_partitioning = true)",
        params={"files": files},
    ).fetchall()
    assert sorted(clinic for (clinic,) in found) == sorted(hostile)


def test_only_its_owner_can_read_it(published: Nights) -> None:
    everything = [published.settings.publish, *published.current.resolve().rglob("*")]
    for path in everything:
        if not path.is_symlink():
            expected = 0o700 if path.is_dir() else 0o600
            assert stat.S_IMODE(path.stat().st_mode) == expected, path


def test_the_manifest_names_every_file_with_its_hash(published: Nights) -> None:
    manifest, folder = published.manifest(), published.current
    there = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert manifest["files"] == there
    assert {"results.duckdb", "report/index.html"} <= set(there)
    assert manifest["run_id"] == folder.resolve().name
    assert manifest["as_of"] == "2026-06-01T12:00:00+00:00"
    assert [(p["protocol"], p["version"]) for p in manifest["protocols"]] == [
        ("infusions", "1.0.0"),
        ("scores", "2.1.0"),
    ]
    for protocol in manifest["protocols"]:
        text = (published.folder / "protocols" / f"{protocol['protocol']}.yaml").read_bytes()
        assert protocol["sha256"] == hashlib.sha256(text).hexdigest()
    assert manifest["rows"]["verdicts"] == 17
    assert manifest["rows"]["marts.findings"] == 9


def test_the_manifest_tells_which_dates_were_made_up(nights: Nights) -> None:
    nights.sessions("north/2026-05-31", nights.session("s1"))
    nights.publish()
    with nights.opened() as warehouse:
        warehouse.db.execute(
            "UPDATE ops.batches SET source = 'trial', "
            "derived = MAP {'started_at': 'an assumed day', 'ended_at': 'start and 40 minutes'} "
            "WHERE feed = 'sessions'"
        )
    nights.publish()
    assert nights.manifest()["derived"] == [
        {"source": "trial", "clinic_id": "north", "feed": "sessions", "column": column, "how": how}
        for column, how in (
            ("ended_at", "start and 40 minutes"),
            ("started_at", "an assumed day"),
        )
    ]


def test_a_network_without_sessions_is_published_too(nights: Nights) -> None:
    _, counts = nights.publish()
    assert (counts.judged, counts.findings) == (0, {})
    assert nights.verdicts() == {}
    assert nights.read("SELECT count(*) FROM marts.clinics") == [(2,)]


def test_rules_say_which_feeds_they_look_at(published: Nights) -> None:
    assert dict(published.read("SELECT rule_id, feeds FROM marts.rules")) == {
        "dose": ["sessions", "doses"],
        "weight": ["sessions"],
        "time": ["sessions"],
        "score": ["sessions", "outcomes"],
        "total": ["outcomes"],
    }
