"""Great Expectations and our own predicates say the same of the same rows."""

from __future__ import annotations

import dataclasses
import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks import gx
from checks.contract import Contract, common_text, contract, contract_text, contracts
from checks.contract import parse_contract as parse
from checks.gx import CheckResult, validate
from checks.quarantine import ABOUT_ONE_ROW, failing
from tests.checks.typed import Text, connect, stage, vital

ROOT = Path(__file__).parents[2]
# By type: a few readable values and a few that are not, so that every expectation sees both.
SOME_TEXT = {
    "text": ["", "a", "O'Brien", "completed", "sitting", "IV", "US/Eastern"],
    "int": ["", "1", "7", "2.5", "-3", "99999999999999999999"],
    "number": ["", "1", "97.5", "-5", "450", "nan", "1e400", "high"],
    "decimal": ["", "40", "0.1", "-5", "20000", "inf", "40 mg"],
    "bool": ["", "true", "False", "yes"],
    "date": ["", "2026-05-04", "2026-05-05", "2026-02-30"],
    "timestamp": [
        "", "2026-05-04T10:00", "2026-05-04T15:00Z", "2026-03-08T02:30", "2026-11-01T01:30", "soon",
    ],
    "time": ["", "08:00", "25:00"],
}  # fmt: skip


def counts(db: duckdb.DuckDBPyConnection, held: Contract) -> dict[str, int]:
    """How many rows fail each expectation, by our own predicates."""
    return {
        e.id: db.sql(
            f"SELECT count(*) FROM typed WHERE NOT coalesce(deleted, false) AND {failing(e)}"
        ).fetchall()[0][0]
        for e in held.expectations
        if e.kind in ABOUT_ONE_ROW
    }


def quarantined_otherwise(db: duckdb.DuckDBPyConnection, held: Contract) -> list[Any]:
    """Rows whose quarantine and whose failed expectations of that severity disagree."""
    fails = " OR ".join(failing(e) for e in held.expectations if e.severity == "quarantine")
    other = "['time_zone: unknown_zone', 'clinic_id: not_this_clinic', 'clinic_id: unknown_clinic']"
    return db.sql(
        f"SELECT * FROM typed WHERE NOT coalesce(deleted, false) AND ({fails}) "
        f"<> (len(list_filter(_problems, lambda code: NOT list_contains({other}, code))) > 0)"
    ).fetchall()


def checked(held: Contract, rows: list[Text]) -> dict[str, CheckResult]:
    """Results by expectation, once both ways of counting have agreed."""
    with connect() as db:
        stage(db, held, rows)
        results = {result.expectation_id: result for result in validate(db, held, "typed")}
        assert {name: result.unexpected for name, result in results.items()} == counts(db, held)
        assert quarantined_otherwise(db, held) == []
    return results


def rows_of(held: Contract) -> st.SearchStrategy[list[Text]]:
    row = st.fixed_dictionaries(
        {c.name: st.sampled_from([*SOME_TEXT[c.type], *(c.closed or ())[:2]]) for c in held.columns}
    )
    return st.lists(row, max_size=25)


@pytest.mark.parametrize("feed", list(contracts()))
def test_both_count_the_same_rows(feed: str) -> None:
    @settings(max_examples=2, derandomize=True)
    @given(rows_of(contract(feed)))
    def agree(rows: list[Text]) -> None:
        results = checked(contract(feed), rows)
        for result in results.values():
            assert result.success == (result.unexpected == 0)

    agree()


def test_a_good_row_passes_and_no_row_at_all_passes() -> None:
    for rows in ([vital(spo2_pct="97")], []):
        results = checked(contract("vitals"), rows)
        assert all(result.success and result.evaluated == len(rows) for result in results.values())


def test_one_bound_changed_in_the_contracts_text_flips_both() -> None:
    text = contract_text("vitals")
    name = "spo2_pct_possible"
    where = text.index("max_value: 100", text.index(name))
    wider = text[:where] + text[where:].replace("max_value: 100", "max_value: 101", 1)
    rows = [vital(vital_id=str(n), spo2_pct="101") for n in range(3)]
    for changed, unexpected in ((text, 3), (wider, 0)):
        held = parse(changed, common_text(), "vitals")
        assert checked(held, rows)[name].unexpected == unexpected
        with connect() as db:
            stage(db, held, rows)
            bad = "SELECT count(*) FROM typed WHERE len(_problems) > 0"
            assert db.sql(bad).fetchall() == [(unexpected,)]


def test_what_is_unreadable_fails_its_type_and_nothing_else() -> None:
    results = checked(contract("vitals"), [vital(spo2_pct="nan", measured_at="2026-03-08T02:30")])
    failed = {name for name, result in results.items() if not result.success}
    assert failed == {"spo2_pct_type", "measured_at_type"}


def test_what_is_empty_fails_what_is_required_and_nothing_else() -> None:
    results = checked(contract("vitals"), [vital(session_id="", measured_at="")])
    failed = {name for name, result in results.items() if not result.success}
    assert failed == {"session_id_required", "measured_at_required"}


def test_an_order_of_times_warns_and_needs_both() -> None:
    late = {"started_at": "2026-05-04T10:00Z", "ended_at": "2026-05-04T09:59Z"}
    rows = [
        {"shift_id": "1", "staff_id": "a", **late},
        {"shift_id": "2", "staff_id": "a", **late, "ended_at": late["started_at"]},
        {"shift_id": "3", "staff_id": "a", **late, "ended_at": ""},
    ]
    result = checked(contract("shifts"), rows)["started_at_before_ended_at"]
    assert (result.severity, result.unexpected, result.success) == ("warn", 1, False)


def test_a_key_twice_is_what_the_loading_marked() -> None:
    held = contract("vitals")
    with connect() as db:
        stage(db, held, [vital(), vital()])
        db.execute("UPDATE typed SET _problems = ['vital_id: key_twice']")
        results = {result.expectation_id: result for result in validate(db, held, "typed")}
    assert results["vital_id_unique"].unexpected == 2


def test_withdrawals_are_not_held_to_expectations() -> None:
    results = checked(contract("vitals"), [{"vital_id": "v1", "deleted": "true", "spo2_pct": "1"}])
    assert all(result.success and result.evaluated == 0 for result in results.values())


def test_no_result_shows_a_value() -> None:
    rows = [vital(vital_id="Zq7", position="Zq7 lying", spo2_pct="777123")]
    results = checked(contract("vitals"), rows)
    assert not results["spo2_pct_possible"].success
    assert "Zq7" not in repr(results) and "777123" not in repr(results)


def test_an_expectation_that_could_not_be_evaluated_is_no_pass() -> None:
    held = contract("vitals")
    broken = [
        dataclasses.replace(e, columns=("no_such_column",)) if e.id == "spo2_pct_usual" else e
        for e in held.expectations
    ]
    with connect() as db:
        stage(db, held, [vital()])
        with pytest.raises(RuntimeError, match="spo2_pct_usual could not be evaluated"):
            validate(db, dataclasses.replace(held, expectations=tuple(broken)), "typed")
        assert db.sql("SELECT count(*) FROM typed").fetchall() == [(1,)]


def test_the_connection_is_the_owners_again_after_a_validation() -> None:
    held = contract("vitals")
    with connect() as db:
        stage(db, held, [vital()])
        before = sys.getrefcount(db)
        validate(db, held, "typed")
        gc.collect()
        assert sys.getrefcount(db) == before
        db.execute("BEGIN")
        db.execute("UPDATE typed SET spo2_pct = 5")
        db.execute("ROLLBACK")
        assert db.sql("SELECT spo2_pct FROM typed").fetchall() == [(None,)]
        assert db.sql("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall() == [(0,)]


PROCESS = """
import sys
import checks.gx
assert "great_expectations" not in sys.modules
from checks.contract import contract
from tests.checks.typed import connect, stage, vital
with connect() as db:
    stage(db, contract("vitals"), [vital(spo2_pct="120")])
    checks.gx.validate(db, contract("vitals"), "typed")
"""


def test_it_is_imported_only_when_needed_and_writes_nothing_to_the_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROCESS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_kind_about_one_row_has_an_expectation_of_its_own() -> None:
    kinds = {e.kind for held in contracts().values() for e in held.expectations}
    made: dict[str, Any] = {
        e.kind: gx._expect(e)
        for held in contracts().values()
        for e in held.expectations
        if e.kind in ABOUT_ONE_ROW
    }
    assert set(made) == kinds & ABOUT_ONE_ROW
