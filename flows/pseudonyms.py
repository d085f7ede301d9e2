"""Keyed pseudonyms: what stands for a patient in everything that is published.

The key is made once, beside the warehouse, readable by its owner alone; without it nobody can get
from a pseudonym to a patient or back.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

import pyarrow as pa

from flows.audit import append
from flows.errors import KeelError, UsageError
from flows.warehouse import DATABASE, Warehouse

KEY_FILE = "pseudonym.key"
_KEY_BYTES = 32
_FORM = re.compile("P[0-9a-f]{20}")


def ensure_pseudonyms(warehouse: Warehouse) -> None:
    """Give every patient that facts, marts or the quarantine name a pseudonym (`ops.pseudonyms`).

    Raises KeelError when the key is not the one that those already there were made with.
    """
    key = pseudonym_key(warehouse)
    new = warehouse.db.execute(
        "SELECT DISTINCT clinic_id, patient_id FROM ("
        "SELECT clinic_id, patient_id FROM facts.patients UNION ALL "
        "SELECT clinic_id, patient_id FROM marts.subjects UNION ALL "
        "SELECT clinic_id, patient_id FROM marts.suicidality_followup UNION ALL "
        "SELECT clinic_id, patient_id FROM marts.outcome_warnings UNION ALL "
        "SELECT clinic_id, patient_id FROM marts.rems_forms_due UNION ALL "
        "SELECT clinic_id, patient_id FROM marts.patient_exposure UNION ALL "
        "SELECT clinic_id, subject_id FROM marts.risk_observations "
        "WHERE subject_kind = 'patient' UNION ALL "
        "SELECT clinic_id, patient_id FROM ops.quarantine WHERE patient_id IS NOT NULL "
        "AND clinic_id IS NOT NULL) "
        "ANTI JOIN ops.pseudonyms USING (clinic_id, patient_id) ORDER BY ALL"
    ).fetchall()
    if not new:
        return
    names = pa.table(
        {
            "clinic_id": [clinic for clinic, _ in new],
            "patient_id": [patient for _, patient in new],
            "pseudonym": [_pseudonym(key, clinic, patient) for clinic, patient in new],
        }
    )
    warehouse.db.register("new_pseudonyms", names)
    with warehouse.transaction():
        warehouse.db.execute("INSERT INTO ops.pseudonyms BY NAME SELECT * FROM new_pseudonyms")
    warehouse.db.unregister("new_pseudonyms")


def patient_behind(warehouse: Warehouse, pseudonym: str) -> tuple[str, str]:
    """The clinic and patient id behind a pseudonym; asking is an entry of the audit log.

    Raises UsageError when no patient has it, which is an entry too.
    """
    found = warehouse.db.execute(
        "SELECT clinic_id, patient_id FROM ops.pseudonyms WHERE pseudonym = ?", [pseudonym]
    ).fetchone()
    # What has not the form of a pseudonym may be anything, a name too: it is kept nowhere.
    asked = pseudonym if _FORM.fullmatch(pseudonym) else None
    append(warehouse, "whois", asked, "done" if found else "refused")
    if found is None:
        raise UsageError(
            f"{warehouse.folder}: no patient here has that pseudonym; take it, P and 20 digits or "
            "letters a to f, from a run that this warehouse published."
        )
    clinic_id, patient_id = found
    return clinic_id, patient_id


def pseudonym_of(warehouse: Warehouse, clinic_id: str, patient_id: str) -> str:
    """The pseudonym that a patient has or would have."""
    return _pseudonym(pseudonym_key(warehouse), clinic_id, patient_id)


def _pseudonym(key: bytes, clinic_id: str, patient_id: str) -> str:
    message = f"{clinic_id}\x1f{patient_id}".encode()
    return "P" + hmac.new(key, message, hashlib.sha256).hexdigest()[:20]


def pseudonym_key(warehouse: Warehouse) -> bytes:
    """The key, which is made when there is none and nobody has a pseudonym yet.

    Raises KeelError when it is not the one that those already there were made with.
    """
    path = warehouse.folder / KEY_FILE
    known = warehouse.db.execute(
        "SELECT clinic_id, patient_id, pseudonym FROM ops.pseudonyms LIMIT 1"
    ).fetchall()
    if not path.exists() and not known:
        _make(path)
    key = path.read_bytes() if path.exists() else b""
    if len(key) != _KEY_BYTES or any(_pseudonym(key, *who) != name for *who, name in known):
        raise KeelError(
            f"{path}: is not the key that the published pseudonyms were made with; restore it from "
            f"a backup, or move {DATABASE} aside and remove that file, and patients get new ones."
        )
    return key


def _make(path: Path) -> None:
    """A key is whole on the disk before it has its name."""
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
