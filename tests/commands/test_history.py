"""`keel history` and `keel whois`: what a person is told, and what the audit log keeps of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from flows.audit import append, first_broken
from flows.cli import app
from flows.warehouse import Warehouse, table_definitions
from tests.publish.nights import INFUSIONS, Nights, plain_nights

SCORE = ["outcome_id", "patient_id", "instrument", "administered_at"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    """Three nights: the dose of s1 is not met, waived, then corrected, as its score comes late."""
    nights = Nights(tmp_path_factory.mktemp("history"))
    nights.rows("north/patients_2026-05-05.csv", [
        {"patient_id": "p1", "given_name": "Ada", "family_name": "Lovelace"}
    ])  # fmt: skip
    nights.sessions("north/2026-05-05", nights.session("s1", dose=100), nights.session("both"))
    nights.sessions("south/2026-05-05", nights.session("both"), nights.session("gone"))
    nights.rows("north/outcomes_2026-05-05.csv", [], SCORE)
    nights.write_protocol("weights.yaml", INFUSIONS.split("  - {id: time")[0]
                          .replace("infusions", "weights"))  # fmt: skip
    with plain_nights():
        nights.publish(as_of=datetime(2026, 5, 6, 12, tzinfo=UTC))
        nights.rows("_network/waivers_2026-05-07.csv", [
            {"waiver_id": "w1", "clinic_id": "north", "subject_id": "s1", "rule_id": "dose",
             "reason": "agreed", "approved_by": "director", "approved_on": "2026-05-07"}
        ])  # fmt: skip
        nights.publish(as_of=datetime(2026, 5, 8, 12, tzinfo=UTC))
        nights.sessions("north/x", nights.session("s1", dose=40, extracted_at="2026-05-09T10:00"))
        nights.rows("north/outcomes_2026-05-09.csv", [
            {"outcome_id": "o1", "patient_id": "p1", "session_id": "s1", "instrument": "PHQ-9",
             "administered_at": "2026-05-05T10:00", "recorded_at": "2026-05-08T10:00", "total": "9"}
        ])  # fmt: skip
        gone = {"session_id": "gone", "deleted": "true", "extracted_at": "2026-05-09T10:00"}
        nights.rows("south/sessions_x.csv", [gone])
        nights.publish(as_of=datetime(2026, 5, 10, 12, tzinfo=UTC))
    yield nights


def run(nights: Nights, *arguments: str) -> Result:
    folder = str(nights.settings.warehouse)
    return CliRunner().invoke(app, [*arguments, "--warehouse", folder])


def test_each_change_is_told_when_and_why(told: Nights) -> None:
    done = run(told, "history", "s1")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "session s1 at north on 2026-05-04, infusions 1.0.0: compliant",
        "  dose (critical) is met, waived",
        "    2026-05-08 07:00  not_met -> not_met, waived: a waiver began (waiver)",
        "    2026-05-10 07:00  not_met, waived -> met, waived: a row was corrected or withdrawn, "
        "delivered 5 days after the event (correction)",
        "  score (minor) is met",
        "    2026-05-10 07:00  pending -> met: rows came in since, charted 3 days after the event "
        "(late_data)",
        "  never changed: time met, weight met",
        "session s1 at north on 2026-05-04, weights 1.0.0: compliant",
        "  dose (critical) is met, waived",
        "    2026-05-08 07:00  not_met -> not_met, waived: a waiver began (waiver)",
        "    2026-05-10 07:00  not_met, waived -> met, waived: a row was corrected or withdrawn, "
        "delivered 5 days after the event (correction)",
        "  never changed: weight met",
    ]


def test_a_subject_that_is_judged_no_more_keeps_its_history(told: Nights) -> None:
    lines = run(told, "history", "gone").stdout.splitlines()
    assert lines[0] == "session gone at south, infusions: judged no more"
    assert "  dose is judged no more" in lines
    assert (
        "    2026-05-10 05:00  met -> not judged: a row was corrected or withdrawn (correction)"
        in lines
    )


def test_as_json_everything_is_there(told: Nights) -> None:
    infusions, _ = json.loads(run(told, "history", "s1", "--json").stdout)
    assert (infusions["status"], infusions["subject_kind"]) == ("compliant", "session")
    by_rule = {verdict["rule_id"]: verdict for verdict in infusions["verdicts"]}
    assert [change["cause"] for change in by_rule["dose"]["changes"]] == ["waiver", "correction"]
    assert by_rule["time"]["changes"] == []


def test_one_id_in_two_clinics_asks_which(told: Nights) -> None:
    done = run(told, "history", "both")
    assert done.exit_code == 2
    assert "north, south" in done.stderr
    assert "--clinic" in done.stderr
    chosen = run(told, "history", "both", "--clinic", "south")
    assert chosen.exit_code == 0
    assert "north" not in chosen.stdout


@pytest.mark.parametrize("arguments", [["s9"], ["s1", "--clinic", "south"], ["p1"]])
def test_an_unknown_id_is_one_sentence(told: Nights, arguments: list[str]) -> None:
    done = run(told, "history", *arguments)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "was judged" in done.stderr


def audited(nights: Nights) -> list[tuple[object, ...]]:
    return nights.ask("SELECT act, subject, outcome FROM ops.audit_log ORDER BY entry_no")


def test_whois_tells_the_id_alone_and_is_written_down(told: Nights) -> None:
    before = audited(told)
    ((pseudonym,),) = told.read("SELECT DISTINCT patient_id FROM marts.subject_adherence "
                                "WHERE clinic_id = 'north'")  # fmt: skip
    done = run(told, "whois", pseudonym)
    assert (done.exit_code, done.stdout) == (0, "patient p1 at north\n")
    for unknown in ("P" + "0" * 20, "Ada Lovelace"):
        refused = run(told, "whois", unknown)
        assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
        assert unknown not in refused.stderr
    assert audited(told)[len(before) :] == [
        ("whois", pseudonym, "done"),
        ("whois", "P" + "0" * 20, "refused"),
        ("whois", None, "refused"),  # what is no pseudonym may be a name
    ]
    with told.opened() as warehouse:
        assert first_broken(warehouse.db) is None


def test_a_published_copy_of_the_log_can_be_verified(told: Nights) -> None:
    with told.opened() as warehouse:
        append(warehouse, "whois", None, "refused")
    with plain_nights():
        told.publish()
    with duckdb.connect(str(told.current / "results.duckdb"), read_only=True) as db:
        assert first_broken(db) is None
        cells = {
            str(cell)
            for table in ("audit_log", "verdict_changes")
            for row in db.execute(f"SELECT * FROM ops.{table}").fetchall()
            for cell in row
        }
    assert {"whois", "s1"} <= cells
    assert not cells & {"p1", "Ada", "Lovelace"}


# --- the chain ---


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A log of five acts."""
    with duckdb.connect() as db:
        db.execute("CREATE SCHEMA ops")
        db.execute(table_definitions("ops")["audit_log"])
        warehouse = Warehouse(tmp_path_factory.mktemp("log"), db)
        for number in range(5):
            append(warehouse, "whois", f"P{number}", "done")
        yield warehouse


TAMPERED = {
    **{f"another {column}": f"UPDATE ops.audit_log SET {column} = {value} WHERE entry_no = $n"
       for column, value in {
           "acted_at": "acted_at + INTERVAL 1 MICROSECOND", "actor": "actor || 'x'",
           "act": "'looked'", "subject": "NULL", "outcome": "'refused'",
           "previous_hash": "'x' || substr(previous_hash, 2)",
           "entry_hash": "'x' || substr(entry_hash, 2)",
           "entry_no": "entry_no + 100",
       }.items()},
    "taken out": "DELETE FROM ops.audit_log WHERE entry_no = $n",
    "twice": "INSERT INTO ops.audit_log FROM ops.audit_log WHERE entry_no = $n",
}  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(how=st.sampled_from(sorted(TAMPERED)), number=st.integers(1, 4))
def test_whatever_is_done_to_an_entry_shows(log: Warehouse, how: str, number: int) -> None:
    assert first_broken(log.db) is None
    log.db.execute("BEGIN")
    try:
        log.db.execute(TAMPERED[how], {"n": number})
        broken = first_broken(log.db)
    finally:
        log.db.execute("ROLLBACK")
    assert broken == (number + 1 if how == "twice" else number)
