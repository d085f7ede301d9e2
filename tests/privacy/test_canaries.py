"""Forty people in runs that succeed and fail: nothing of them is in what leaves the warehouse."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import xlsxwriter
from fpdf import FPDF

from flows.errors import DiskError
from tests.commands.cli import keel
from tests.privacy.canaries import PEOPLE, STEMS, encodings, person, traces, traces_in
from tests.publish.nights import Nights

SESSION = "session_id,patient_id,program,status,started_at,ended_at,weight_kg"


def people(folder: Path) -> Nights:
    """Forty patients with a session each; three rows with names where they do not belong."""
    nights = Nights(folder)
    rows = [person(number) for number in range(PEOPLE)]
    nights.rows("north/patients_2026-05-31.csv", [*rows, person(3) | {"birth_date": "Vexwyñ03"}])
    nights.sessions(
        "north/2026-05-31",
        *(
            nights.session(f"s{number}", patient=person(number)["patient_id"], dose=30 + 3 * number)
            for number in range(PEOPLE)
        ),
        nights.session("s40", patient="pat~kee01", status="O'Quøllby01"),
    )
    nights.rows("north/outcomes_2026-05-31.csv", [
        {"outcome_id": "o1", "patient_id": "pat~kee01", "session_id": "s1", "instrument": "PHQ-9",
         "administered_at": "2026-05-05T09:00", "total": "30"},
        {"outcome_id": "Vexwyñ02", "patient_id": "O'Quøllby02", "session_id": "+1 555-0177-02",
         "instrument": "PHQ-9", "administered_at": "1931-03-03", "total": "90Q7KX02"},
    ])  # fmt: skip
    return nights


def command(nights: Nights) -> list[str | Path]:
    config = nights.folder / "keel.toml"
    if not config.exists():
        config.write_text(
            f'protocols = ["{nights.folder / "protocols"}"]\nbuiltin_protocols = false\n'
            'quarantine_share = 0.5\nas_of = "2026-06-01T12:00:00Z"\n'
        )
    return [
        "nightly", "--plain", "--debug", "--config", config, "--landing", nights.landing,
        "--warehouse", nights.settings.warehouse, "--publish", nights.settings.publish,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def succeeded(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """A night that succeeds and is published."""
    nights = people(tmp_path_factory.mktemp("people"))
    done = keel(*command(nights))
    assert (done.exit_code, traces((done.stdout + done.stderr).encode())) == (0, set())
    return nights


@pytest.fixture
def nights(succeeded: Nights, tmp_path: Path) -> Nights:
    """A copy of it, for a night that fails."""
    shutil.copytree(succeeded.folder, tmp_path / "copy", symlinks=True)
    (tmp_path / "copy" / "keel.toml").unlink()
    return people(tmp_path / "copy")


def nothing_leaks(nights: Nights) -> None:
    """Published runs, and what the warehouse tells of files and checks."""
    assert traces_in(nights.settings.publish) == set()
    told = nights.ask(
        "SELECT list(t::VARCHAR) FROM (SELECT b FROM ops.batches b UNION ALL BY NAME "
        "SELECT c FROM ops.check_results c UNION ALL BY NAME SELECT n FROM ops.notes n UNION ALL "
        "BY NAME SELECT a FROM ops.audit_log a UNION ALL BY NAME SELECT r FROM ops.runs r) t"
    )
    assert traces(str(told).encode()) == set()
    assert not list((nights.settings.warehouse / "tmp").iterdir())


def test_a_night_that_succeeds(succeeded: Nights) -> None:
    nothing_leaks(succeeded)
    assert succeeded.ask("SELECT count(*) FROM facts.patients") == [(PEOPLE - 1,)]
    assert succeeded.read("SELECT count(*) > 10 FROM marts.findings") == [(True,)]
    assert succeeded.read("SELECT count(*) FROM ops.quarantine") == [(4,)]


def test_files_and_folders_are_for_their_owner_alone(succeeded: Nights) -> None:
    for root in (succeeded.settings.warehouse, succeeded.settings.publish):
        for path in [root, *root.rglob("*")]:
            if not path.is_symlink():
                wanted = 0o700 if path.is_dir() else 0o600
                assert stat.S_IMODE(path.stat().st_mode) == wanted, path


# --- nights that fail ---

Break = Callable[[Nights, pytest.MonkeyPatch], None]


def raising(where: str, error: Callable[[], Any]) -> Break:
    """Something inside fails and quotes a patient in its message."""

    def break_it(nights: Nights, patch: pytest.MonkeyPatch) -> None:
        nights.sessions("north/2026-06-01", nights.session("s90", patient="pat~kee05"))

        def fail(*_: Any, **__: Any) -> None:
            error()

        patch.setattr(where, fail)

    return break_it


def delivering(name: str, text: str | bytes) -> Break:
    return lambda nights, _: (nights.deliver(f"north/{name}", text), None)[1]


def raises(error: BaseException) -> Callable[[], Any]:
    def fail() -> None:
        raise error

    return fail


def in_duckdb() -> None:
    duckdb.execute("SELECT CAST($who AS INTEGER)", {"who": person(7)["given_name"]}).fetchall()


def in_polars() -> None:
    pl.Series([person(8)["family_name"]]).cast(pl.Int64)


def with_a_broken_protocol(nights: Nights, _: pytest.MonkeyPatch) -> None:
    path = nights.folder / "protocols" / "infusions.yaml"
    path.write_text(path.read_text().replace("expr: dose_mg_per_kg", "expr: given_name"))


def with_a_source_that_fails(nights: Nights, _: pytest.MonkeyPatch) -> None:
    export = nights.folder / "export.csv"
    export.write_text("id,who\n1,Vexwyñ09\n")
    select = nights.folder / "patients.sql"
    select.write_text("SELECT id AS patient_id, CAST(who AS INTEGER) AS given_name, _file, _row "
                      "FROM export")  # fmt: skip
    config = nights.folder / "keel.toml"
    command(nights)
    config.write_text(
        config.read_text() + f'[[source]]\nsystem = "old"\nclinic = "north"\n'
        f'files = {{export = "{export}"}}\nselect = {{patients = "{select}"}}\n'
    )


ROW = ",".join(person(10).values())
FAILURES: dict[str, tuple[int, Break]] = {
    "cells in the wrong columns": (5, delivering(
        "sessions_bad.csv",
        SESSION + "\nVexwyñ11,O'Quøllby11,90Q7KX11,+1 555-0177-11,1931-01-01,x,y\n")),
    "more fields than columns": (5, delivering(
        "sessions_bad.csv", SESSION + f"\ns1,{ROW},{ROW}\n")),
    "not UTF-8": (5, delivering(
        "sessions_bad.csv", (SESSION + "\ns1,O'Quøllby12,x,y,,,\n").encode("cp1252"))),
    "no header": (5, delivering("patients_bad.csv", ROW + "\n")),
    "no end of a quote": (5, delivering("patients_bad.csv", f'patient_id,phone\np,"{ROW}\n')),
    "DuckDB quotes a cell": (1, raising("flows.load.settle", in_duckdb)),
    "Polars quotes a cell": (1, raising("flows.night.judge_network", in_polars)),
    "Great Expectations quotes a cell": (
        1, raising("flows.load.validate", raises(RuntimeError(f"unexpected: {person(13)}")))),
    "the disk is full": (
        4, raising("flows.publish.write_results", raises(duckdb.IOException("full: Vexwyñ14")))),
    "an error after an error": (
        4, raising("flows.publish.write_manifest", raises(DiskError("the disk is full.")))),
    "a broken protocol": (2, with_a_broken_protocol),
    "a source's SELECT fails": (5, with_a_source_that_fails),
}  # fmt: skip


# As the others are, but by another way to the same sentence.
LONG = {
    "more fields than columns", "not UTF-8", "no end of a quote", "an error after an error",
    "a source's SELECT fails", "no header",
}  # fmt: skip


@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=pytest.mark.long if how in LONG else []) for how in FAILURES]
)
def test_a_night_that_fails(
    nights: Nights, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    code, break_it = FAILURES[how]
    with monkeypatch.context() as patch:
        break_it(nights, patch)
        done = keel(*command(nights))
    said = (done.stdout + done.stderr + caplog.text).encode()
    assert done.exit_code == code, said.decode()
    assert traces(said) == set()
    assert ("messages left out" in done.stderr) == (code in (1, 2, 4))
    nothing_leaks(nights)


def test_a_night_that_is_killed(nights: Nights) -> None:
    nights.sessions("north/2026-06-01", nights.session("s90", patient="pat~kee05"))
    temporary = nights.folder / "tmp"
    temporary.mkdir()
    code = (
        "import os, signal, flows.publish as p, flows.cli\n"
        "p.write_manifest = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "flows.cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, command(nights))],
        capture_output=True, check=False, env=os.environ | {"TMPDIR": str(temporary)},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert traces(done.stdout + done.stderr) == set()
    assert list(nights.settings.publish.glob(".0*.tmp"))
    nothing_leaks(nights)
    assert traces_in(temporary) == set()


@pytest.mark.prefect
@pytest.mark.parametrize("how", ["succeeds", "DuckDB quotes a cell", "Polars quotes a cell"])
def test_nothing_is_in_prefects_database(nights: Nights, how: str) -> None:
    """A flow is really run, with a database of its own."""
    nights.sessions("north/2026-06-01", nights.session("s90", patient="pat~kee05"))
    broken = {
        "succeeds": "",
        "DuckDB quotes a cell": "load.settle = lambda *_: t.in_duckdb()\n",
        "Polars quotes a cell": "night.judge_network = lambda *_, **__: t.in_polars()\n",
    }[how]
    code = (
        "import flows.load as load, flows.night as night, flows.cli\n"
        f"import tests.privacy.test_canaries as t\n{broken}flows.cli.main()"
    )
    home = nights.folder / "prefect"
    arguments = [str(part) for part in command(nights) if part != "--plain"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        | {"PREFECT_HOME": str(home), "PREFECT_LOGGING_LEVEL": "DEBUG"},
    )  # fmt: skip
    assert done.returncode == (how != "succeeds"), done.stderr.decode()
    assert traces(done.stdout + done.stderr) == set()
    assert list(home.glob("*.db"))
    assert traces_in(home) == set()
    with sqlite3.connect(home / "prefect.db") as db:
        assert db.execute("SELECT count(*) > 0 FROM task_run").fetchone() == (1,)
    nothing_leaks(nights)


# --- the search itself: what is planted is found ---


@pytest.mark.parametrize("kind", STEMS)
def test_each_encoding_of_a_planted_value_is_found(kind: str) -> None:
    value = person(17)[kind]
    for name, coded in encodings(value).items():
        assert (kind, name) in traces(b"left " + coded + b" right"), name


def test_a_uuid_that_holds_a_year_of_birth_is_no_trace() -> None:
    assert traces(b"7e0b1931-1931-4931-9f31-1931-00c0ffee1931") == set()


def _xlsx(path: Path, text: str) -> None:
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet().write_string(0, 0, text)


def _pdf(path: Path, text: str) -> None:
    page = FPDF()
    page.add_page()
    page.set_font("Helvetica")
    page.cell(text=text)
    page.output(str(path))


def _zip(path: Path, text: str) -> None:
    inner = path.with_suffix(".inner")
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.txt", text)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(inner, "inner.zip")
    inner.unlink()


def _sqlite(path: Path, text: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE log (message)")
        db.execute("INSERT INTO log VALUES (?)", [json.dumps({"said": text})])


def _duckdb(path: Path, text: str) -> None:
    with duckdb.connect(str(path)) as db:
        db.execute("CREATE TABLE t AS SELECT repeat($t, 9) AS cell FROM range(9)", {"t": text})


FORMATS: dict[str, Callable[[Path, str], object]] = {
    "log.txt": lambda path, text: path.write_text(text),
    "log.gz": lambda path, text: path.write_bytes(gzip.compress(text.encode())),
    "rows.parquet": lambda path, text: pl.DataFrame({"cell": [text] * 99}).write_parquet(path),
    "report.xlsx": _xlsx, "report.pdf": _pdf, "all.zip": _zip, "prefect.db": _sqlite,
    "results.duckdb": _duckdb,
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_a_leak_planted_in_each_format_is_found(tmp_path: Path, name: str) -> None:
    FORMATS[name](tmp_path / name, "said Vexwyñ21 of 1931-10-22")
    found = {(file, kind) for file, kind, _ in traces_in(tmp_path)}
    assert found == {(name, "given_name"), (name, "birth_date")}


def test_a_leak_planted_in_a_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "Vexwyñ21.csv").touch()
    assert traces_in(tmp_path)


def test_a_leak_planted_in_a_published_run_is_found(nights: Nights) -> None:
    with duckdb.connect(str(nights.current / "results.duckdb")) as db:
        db.execute("UPDATE marts.findings SET reason = reason || 'pat~kee05'")
    with pytest.raises(AssertionError):
        nothing_leaks(nights)
