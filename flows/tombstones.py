"""Ids whose rows were purged, as keyed hashes, so that a file delivered again does not bring them
back.

They lie among the raw deliveries and outlive the database; the key is that of the pseudonyms, so
nobody gets from a hash to an id without it.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from flows.errors import KeelError
from flows.pseudonyms import pseudonym_key
from flows.raw import KEPT_ROW, NETWORK, keep, state_of
from flows.retention import GONE, of_people, theirs
from flows.sources import identifier, quoted
from flows.warehouse import Warehouse

_FILE = "purged.parquet"


def tombstones(warehouse: Warehouse) -> Path:
    """Where they are kept."""
    return warehouse.raw / _FILE


def add_tombstones(warehouse: Warehouse) -> None:
    """Remember the ids of the temporary table `gone`, beside those of earlier purges."""
    _ready(warehouse)
    hashes = f"SELECT {_hash('kind', 'clinic_id', 'id')} AS hash FROM {GONE}"
    known = tombstones(warehouse)
    if known.exists():
        hashes += f" UNION SELECT hash FROM read_parquet({quoted(str(known))})"
    keep(warehouse.db, f"SELECT DISTINCT hash FROM ({hashes}) ORDER BY 1", known, {})


def remove_tombstone(warehouse: Warehouse, clinic_id: str, patient_id: str) -> bool:
    """Forget that a patient was purged; gives whether one of that id was."""
    known = tombstones(warehouse)
    if not known.exists():
        return False
    _ready(warehouse)
    db = warehouse.db
    db.execute("SET VARIABLE purge_clinic = ?", [clinic_id])
    db.execute("SET VARIABLE purge_patient = ?", [patient_id])
    mine = _hash("'patient'", "getvariable('purge_clinic')", "getvariable('purge_patient')")
    found = db.execute(f"SELECT 1 FROM purged WHERE hash = {mine}").fetchone() is not None
    if found:
        keep(db, f"SELECT hash FROM purged WHERE hash <> {mine} ORDER BY 1", known, {})
    return found


def without_purged(
    warehouse: Warehouse, select: str, header: tuple[str, ...], clinic_id: str, feed: str
) -> tuple[str, int]:
    """A delivery's SELECT without rows of those who were purged, and how many there are.

    Rows that stay keep their number in the file as `_kept_row`.
    """
    if not tombstones(warehouse).exists() or not of_people(feed):
        return select, 0
    _ready(warehouse)
    clinic = clinic_of(clinic_id)

    def is_purged(kind: str, name: str) -> str:
        return f"{_hash(quoted(kind), clinic, identifier(name))} IN (FROM purged)"

    gone = theirs(header, is_purged)
    row = warehouse.db.execute(f"SELECT count(*) FROM ({select}) WHERE {gone}").fetchone()
    assert row is not None
    if not row[0]:
        return select, 0
    numbered = f"SELECT *, row_number() OVER () AS {KEPT_ROW} FROM ({select})"
    return f"SELECT * FROM ({numbered}) WHERE NOT {gone}", int(row[0])


def clinic_of(clinic_id: str) -> str:
    """SQL for whose a raw row is, in the folder of a clinic or of the network."""
    return "nullif(clinic_id, '')" if clinic_id == NETWORK else quoted(clinic_id)


def _hash(kind: str, clinic: str, name: str) -> str:
    return f"sha256(concat_ws(chr(31), getvariable('purge_key'), {kind}, {clinic}, {name}))"


def _ready(warehouse: Warehouse) -> None:
    """The key and the hashes, where SQL finds them and no message of DuckDB quotes them.

    Raises KeelError when the hashes are damaged, since those purged would come back unnoticed.
    """
    db, known = warehouse.db, tombstones(warehouse)
    if known.exists() and state_of(db, known) == "damaged":
        raise KeelError(
            f"{known}: is damaged, and without it rows of purged patients would be loaded again; "
            "put the file of the newest backup there, then run `keel purge` again."
        )
    key = hmac.new(pseudonym_key(warehouse), b"purge", hashlib.sha256).hexdigest()
    db.execute("SET VARIABLE purge_key = ?", [key])
    source = f"read_parquet({quoted(str(known))})" if known.exists() else "(SELECT NULL AS hash)"
    db.execute(f"CREATE OR REPLACE TEMP TABLE purged AS SELECT hash FROM {source}")
