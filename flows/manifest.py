"""A published run's manifest: what it was made of, and the SHA-256 of each of its files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from flows import __version__
from flows.runs import Run
from flows.warehouse import Warehouse

MANIFEST = "manifest.json"


def write_manifest(warehouse: Warehouse, run: Run, folder: Path) -> None:
    """Write `manifest.json` over everything else in the folder."""
    path = folder / MANIFEST
    path.write_text(json.dumps(_manifest(warehouse, run, folder), indent=2) + "\n", "utf-8")


def _manifest(warehouse: Warehouse, run: Run, folder: Path) -> dict[str, Any]:
    db = warehouse.db
    protocols = db.execute(
        "SELECT protocol, protocol_version, sha256 FROM marts.protocols ORDER BY ALL"
    ).fetchall()
    derived = db.execute(
        "SELECT DISTINCT source, clinic_id, feed, d.column_name, d.how FROM ("
        "SELECT source, clinic_id, feed, unnest(map_entries(derived)) AS entry FROM ops.batches "
        "WHERE state IN ('accepted', 'partial') AND derived IS NOT NULL), "
        "LATERAL (SELECT entry.key AS column_name, entry.value AS how) d ORDER BY ALL"
    ).fetchall()
    return {
        "run_id": run.run_id,
        "as_of": run.as_of.isoformat(),
        "keel_version": __version__,
        "protocols": [
            {"protocol": name, "version": version, "sha256": sha}
            for name, version, sha in protocols
        ],
        "derived": [
            {"source": source, "clinic_id": clinic, "feed": feed, "column": column, "how": how}
            for source, clinic, feed, column, how in derived
        ],
        "rows": _row_counts(warehouse),
        "files": {
            str(path.relative_to(folder)): _sha256(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != MANIFEST
        },
    }


def _row_counts(warehouse: Warehouse) -> dict[str, int]:
    tables = warehouse.db.execute(
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE table_schema IN ('facts', 'marts') AND NOT ends_with(table_name, '_history') "
        "ORDER BY ALL"
    ).fetchall()
    counts: dict[str, int] = {}
    for schema, table in tables:
        row = warehouse.db.execute(f'SELECT count(*) FROM {schema}."{table}"').fetchone()
        assert row is not None
        counts[f"{schema}.{table}"] = int(row[0])
    return counts


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
