"""`keel purge`: rows of patients nobody has seen for longer than the network keeps them go.

In this order, so that one killed on the way is finished by the next: whose rows go is remembered as
hashes (`flows.tombstones`), the raw files are written anew without them, one transaction takes them
out of the database with an entry of the audit log, everything is judged and published anew, earlier
runs and damaged databases that were kept are removed, and the database is copied, since DuckDB
leaves deleted rows in its file.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checks.contract import contracts
from flows.alive import CURRENT
from flows.aside import private_files, sync
from flows.audit import enter
from flows.errors import UsageError
from flows.intake import rows_kept
from flows.ledger import note_purged
from flows.night import Night
from flows.pseudonyms import pseudonym_of
from flows.raw import KEPT_ROW, keep, raw_columns, row_number, told
from flows.raw_damage import raw_files, refuse_damaged
from flows.retention import GONE, cutoff, find_gone, of_people, theirs
from flows.runs import RUN_ID
from flows.settings import Settings
from flows.sources import identifier, quoted
from flows.tombstones import add_tombstones, clinic_of, remove_tombstone
from flows.warehouse import DATABASE, Warehouse

_PENDING = "purge.pending"


@dataclass(frozen=True)
class Purge:
    """What a purge takes out: patients, rows by feed (facts and their history), published runs."""

    before: str
    patients: int
    rows: Mapping[str, int]
    runs: int

    def words(self) -> str:
        """For a person, and the audit log: counts alone."""
        rows = ", ".join(f"{count:,} {feed}" for feed, count in self.rows.items()) or "none"
        return (
            f"patients last active before {self.before}: {self.patients:,}; rows: {rows}; "
            f"earlier published runs: {self.runs:,}"
        )


def look(warehouse: Warehouse, settings: Settings) -> Purge:
    """What a purge would take out; nothing is changed. Raises UsageError as `find_gone`."""
    find_gone(warehouse, settings)
    return _counted(warehouse, settings)


def is_pending(warehouse: Warehouse) -> bool:
    """Whether an earlier purge was cut short."""
    return (warehouse.folder / _PENDING).exists()


def purge(night: Night) -> Purge:
    """Take it out, or finish a purge that was cut short, and publish a run without it.

    Raises KeelError when a raw file is damaged, since nobody can say whose rows are in it.
    """
    warehouse, settings = night.warehouse, night.settings
    done = look(warehouse, settings)
    refuse_damaged(warehouse, raw_files(warehouse))
    (warehouse.folder / _PENDING).touch(mode=0o600)
    if done.patients:
        add_tombstones(warehouse)
        for path, about in _raw_files(warehouse):
            _rewrite(warehouse, path, about)
        with warehouse.transaction():
            _erase(warehouse)
            enter(warehouse, "purge", done.words(), "done")
    night.judge()
    night.publish()
    for run in _earlier_runs(settings):
        shutil.rmtree(run)
    for damaged in warehouse.folder.glob(f"{DATABASE}*.damaged-*"):
        damaged.unlink()
    _compact(warehouse)
    (warehouse.folder / _PENDING).unlink()
    return done


def readmit(warehouse: Warehouse, patient: str) -> None:
    """Let rows of a purged patient in again, from the next delivery on. `patient` is clinic/id.

    Raises UsageError when nobody of that id was purged.
    """
    clinic_id, _, patient_id = patient.partition("/")
    found = remove_tombstone(warehouse, clinic_id, patient_id)
    with warehouse.transaction():
        subject = pseudonym_of(warehouse, clinic_id, patient_id) if found else None
        enter(warehouse, "readmit", subject, "done" if found else "refused")
    if not found:
        raise UsageError(
            "--readmit: no such patient was purged here; write it as CLINIC/PATIENT_ID, as the "
            "clinic's exports have it."
        )


def _erase(warehouse: Warehouse) -> None:
    """Take their rows out of every table, within a transaction; the next judging judges all."""
    db = warehouse.db
    db.execute(
        "DELETE FROM marts.verdicts WHERE subject_no IN (SELECT subject_no FROM marts.subjects "
        f"WHERE {theirs(('patient_id',), _listed_as('clinic_id'))})"
    )
    tables = db.execute(
        "SELECT table_schema, table_name, list(column_name) FROM information_schema.columns "
        "WHERE table_catalog = current_database() AND table_schema IN ('facts', 'marts', 'ops') "
        "GROUP BY ALL HAVING list_contains(list(column_name), 'clinic_id') ORDER BY ALL"
    ).fetchall()
    for schema, table, columns in tables:
        if schema != "facts" or of_people(table.removesuffix("_history")):
            mine = theirs(columns, _listed_as("clinic_id"))
            db.execute(f"DELETE FROM {schema}.{table} WHERE {mine}")
    db.execute("DELETE FROM ops.judged")
    for path, about in _raw_files(warehouse):
        _count_again(warehouse, path, about)


def _count_again(warehouse: Warehouse, path: Path, about: Mapping[str, Any]) -> None:
    """A delivery's rows add up again; those that were taken out are counted apart."""
    db, feed = warehouse.db, about["feed"]
    known = db.execute(
        "SELECT batch_no FROM ops.batches WHERE batch_id = ?", [about["batch_id"]]
    ).fetchone()
    if known is None:
        return
    db.execute(
        "UPDATE ops.batches SET rows = $rows WHERE batch_no = $no",
        {"rows": rows_kept(db, path), "no": known[0]},
    )
    db.execute(
        "UPDATE ops.batches SET loaded = n.loaded, quarantined = n.bad, "
        "unchanged = rows - n.loaded - n.bad FROM (SELECT (SELECT count(*) FROM (SELECT _batch "
        f"FROM facts.{feed} UNION ALL SELECT _batch FROM facts.{feed}_history) WHERE _batch = $no) "
        "AS loaded, (SELECT count(*) FROM ops.quarantine WHERE batch_no = $no) AS bad) n "
        "WHERE batch_no = $no AND state IN ('accepted', 'partial')",
        {"no": known[0]},
    )
    note_purged(warehouse, known[0], about.get("purged", 0))


def _runs(settings: Settings) -> Iterator[Path]:
    if settings.publish.is_dir():
        yield from (path for path in settings.publish.iterdir() if RUN_ID.fullmatch(path.name))


def _earlier_runs(settings: Settings) -> Iterator[Path]:
    """All published runs but the current one."""
    current = (settings.publish / CURRENT).readlink().name
    yield from (path for path in list(_runs(settings)) if path.name != current)


def _compact(warehouse: Warehouse) -> None:
    """Copy the database and put the copy in its place; the warehouse is closed then."""
    fresh = warehouse.folder / f"{DATABASE}.fresh"
    fresh.unlink(missing_ok=True)
    with private_files():
        warehouse.db.execute(f"ATTACH {quoted(str(fresh))} AS fresh")
        warehouse.db.execute("COPY FROM DATABASE keel TO fresh")
        warehouse.db.execute("DETACH fresh")
    warehouse.db.close()
    sync(fresh)
    fresh.replace(warehouse.folder / DATABASE)


def _counted(warehouse: Warehouse, settings: Settings) -> Purge:
    db = warehouse.db
    rows = {}
    for held in (held for held in contracts().values() if of_people(held.feed)):
        mine = theirs(held.names, _listed_as("clinic_id"))
        (count,) = db.execute(
            f"SELECT count(*) FROM (SELECT clinic_id, {_ids(held.names)} FROM facts.{held.feed} "
            f"UNION ALL SELECT clinic_id, {_ids(held.names)} FROM facts.{held.feed}_history) "
            f"WHERE {mine}"
        ).fetchall()[0]
        if count:
            rows[held.feed] = int(count)
    (patients,) = db.execute(f"SELECT count(*) FROM {GONE} WHERE kind = 'patient'").fetchall()[0]
    runs = sum(1 for _ in _runs(settings))
    return Purge(f"{cutoff(settings):%Y-%m-%d}", int(patients), rows, runs if patients else 0)


def _ids(names: tuple[str, ...]) -> str:
    return ", ".join(n for n in ("patient_id", "session_id", "subject_id") if n in names)


def _listed_as(clinic: str) -> Callable[[str, str], str]:
    def is_gone(kind: str, name: str) -> str:
        wanted = f"({quoted(kind)}, {clinic}, {identifier(name)})"
        return f"{wanted} IN (SELECT (kind, clinic_id, id) FROM {GONE})"

    return is_gone


def _raw_files(warehouse: Warehouse) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Deliveries of feeds that hold rows of patients, and what each tells of itself."""
    for path in raw_files(warehouse):
        about = told(warehouse.db, path)
        if about is not None and of_people(about["feed"]):
            yield path, about


def _rewrite(warehouse: Warehouse, path: Path, about: Mapping[str, Any]) -> None:
    """A raw file without the rows of those who are gone; the others keep their numbers."""
    db = warehouse.db
    relation = f"read_parquet({quoted(str(path))}, file_row_number = true)"
    columns = raw_columns(db, relation)
    mine = theirs(columns, _listed_as(clinic_of(about["clinic_id"])))
    (gone,) = db.execute(f"SELECT count(*) FROM {relation} WHERE {mine}").fetchall()[0]
    if gone:
        own = ", ".join(identifier(n) for n in columns if n not in ("file_row_number", KEPT_ROW))
        rest = f"SELECT {own}, {row_number(columns)} AS {KEPT_ROW} FROM {relation} r"
        keep(
            db, f"{rest} WHERE NOT {mine}", path, {**about, "purged": about.get("purged", 0) + gone}
        )
