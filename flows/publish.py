"""A run's folder for readers: written aside, complete, then renamed; `current` moves last.

Readers never see a run that is half-written, and never a name, postal code or phone number:
patient ids are keyed pseudonyms.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.errors import DiskError
from flows.manifest import write_manifest
from flows.pseudonyms import ensure_pseudonyms
from flows.reports.html import write_html
from flows.runs import Run
from flows.settings import Settings
from flows.sources import quoted
from flows.warehouse import Warehouse
from protocols.model import Protocol

CURRENT = "current"
RESULTS = "results.duckdb"


def publish_run(
    warehouse: Warehouse, run: Run, settings: Settings, protocols: tuple[Protocol, ...]
) -> Path:
    """Publish the warehouse's marts as a run's folder and move `current` to it.

    Raises DiskError when the folder cannot be written.
    """
    ensure_pseudonyms(warehouse)
    folder = settings.publish / run.run_id
    temporary = settings.publish / f".{run.run_id}.tmp"
    try:
        settings.publish.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sweep(settings.publish)
        with _private_files():
            temporary.mkdir()
            _write_results(warehouse, run, temporary / RESULTS)
            _write_verdicts(warehouse, temporary / "verdicts")
            with _read_only(warehouse, temporary / RESULTS):
                write_html(warehouse.db, temporary / "report")
            write_manifest(warehouse, run, temporary)
        _flush(temporary)
        temporary.rename(folder)
        _point(settings.publish, run.run_id)
        _remove_old(settings.publish, settings.keep_runs)
    except OSError as error:
        raise DiskError(
            f"{settings.publish}: {error.strerror or 'cannot be written'}; the last complete run "
            "stays current; mend that, run again."
        ) from None
    return folder


@contextmanager
def _private_files() -> Iterator[None]:
    """What is made here is for its owner alone."""
    previous = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(previous)


def _sweep(publish: Path) -> None:
    """Remove what killed runs left behind."""
    for left in publish.glob(".*.tmp"):
        shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()


def _write_results(warehouse: Warehouse, run: Run, path: Path) -> None:
    """The read-only tables, with pseudonyms for patients."""
    db = warehouse.db
    db.execute(f"ATTACH {quoted(str(path))} AS results")
    try:
        for schema in ("marts", "ops"):
            db.execute(f"CREATE SCHEMA results.{schema}")
        for table, select in _published(run).items():
            db.execute(f"CREATE TABLE results.{table} AS {select}")
    finally:
        db.execute("DETACH results")


def _published(run: Run) -> dict[str, str]:
    """Published table to the SELECT that fills it."""
    known = "JOIN ops.pseudonyms p USING (clinic_id, patient_id)"
    renamed = "* EXCLUDE (pseudonym) REPLACE (pseudonym AS patient_id)"
    this = quoted(run.run_id)
    return {
        "marts.findings": f"SELECT {renamed} FROM marts.findings {known} "
        "ORDER BY clinic_id, started_at, subject_id, protocol, rule_id",
        "marts.subject_adherence": "SELECT clinic_id, subject_kind, subject_id, session_id, "
        "pseudonym AS patient_id, protocol, protocol_version, program, started_at, local_date, "
        "status, worst_severity, met, not_met, not_evaluable, pending, excluded "
        f"FROM marts.subjects {known} ORDER BY clinic_id, started_at, subject_id, protocol",
        "marts.coverage": "SELECT * FROM marts.coverage ORDER BY ALL",
        "marts.rule_monthly": "SELECT * FROM marts.rule_monthly ORDER BY ALL",
        "marts.rules": "SELECT * EXCLUDE (rule_no) FROM marts.rules ORDER BY ALL",
        "marts.protocols": "SELECT * FROM marts.protocols ORDER BY ALL",
        "marts.clinics": "SELECT clinic_id, name, time_zone, state, chairs FROM facts.clinics "
        "ORDER BY ALL",
        "ops.runs": f"SELECT * REPLACE (CASE WHEN run_id = {this} THEN 'published' ELSE state END "
        "AS state) FROM ops.runs ORDER BY seq",
        "ops.batches": "SELECT * FROM ops.batches ORDER BY batch_no",
        "ops.check_results": f"SELECT * FROM ops.check_results WHERE run_id = {this} ORDER BY ALL",
        "ops.quarantine": "SELECT q.* EXCLUDE (key_id) REPLACE (p.pseudonym AS patient_id) "
        "FROM ops.quarantine q LEFT JOIN ops.pseudonyms p "
        "ON p.clinic_id = q.clinic_id AND p.patient_id = q.patient_id "
        "ORDER BY q.batch_no, q.row_number",
        "ops.foreign_rows": f"SELECT * FROM ops.foreign_rows WHERE run_id = {this} ORDER BY ALL",
    }


def _write_verdicts(warehouse: Warehouse, folder: Path) -> None:
    """Every verdict, one Parquet file a clinic and month, sorted."""
    clinics = warehouse.db.execute(
        "SELECT DISTINCT clinic_id FROM marts.subjects ORDER BY 1"
    ).fetchall()
    folder.mkdir()
    for (clinic,) in clinics:
        rows = warehouse.db.sql(
            "SELECT s.clinic_id, s.subject_kind, s.subject_id, s.protocol, s.protocol_version, "
            "r.rule_id, v.status::VARCHAR AS status, v.observed, v.waived, "
            "strftime(s.local_date, '%Y-%m') AS month "
            "FROM marts.verdicts v JOIN marts.subjects s USING (subject_no) "
            "JOIN marts.rules r USING (rule_no) WHERE s.clinic_id = $clinic "
            "ORDER BY month, s.subject_kind, s.subject_id, s.protocol, r.rule_id",
            params={"clinic": clinic},
        ).to_arrow_table()
        for month in pc.unique(rows["month"]).to_pylist():
            part = rows.filter(pc.equal(rows["month"], month))
            target = folder / f"clinic_id={quote(clinic, safe='')}" / f"month={month}"
            target.mkdir(parents=True)
            pq.write_table(part.combine_chunks(), target / "part.parquet", compression="zstd")


@contextmanager
def _read_only(warehouse: Warehouse, path: Path) -> Iterator[None]:
    """The published tables as the session's `marts` and `ops`, so that reports see nothing else."""
    warehouse.db.execute(f"ATTACH {quoted(str(path))} AS results (READ_ONLY)")
    warehouse.db.execute("USE results")
    try:
        yield
    finally:
        warehouse.db.execute("USE keel")
        warehouse.db.execute("DETACH results")


def _flush(folder: Path) -> None:
    """Everything is on the disk before it is given its name."""
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _point(publish: Path, run_id: str) -> None:
    """Move `current` in one step."""
    link = publish / f".{CURRENT}.{run_id}.tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(run_id, target_is_directory=True)
    link.replace(publish / CURRENT)
    handle = os.open(publish, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_old(publish: Path, keep: int) -> None:
    """All but the newest runs; their names sort by their number."""
    runs = sorted(
        path for path in publish.iterdir()
        if path.is_dir() and not path.is_symlink() and path.name[:6].isdigit()
    )  # fmt: skip
    for old in runs[:-keep]:
        shutil.rmtree(old)
