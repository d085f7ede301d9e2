"""A published run's manifest: what it was made of, and the SHA-256 of each of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flows import __version__
from flows.audit import Head, head
from flows.errors import KeelError
from flows.runs import RUN_ID, Run
from flows.warehouse import Warehouse

MANIFEST = "manifest.json"


def write_manifest(
    warehouse: Warehouse,
    run: Run,
    folder: Path,
    rows: Mapping[str, int],
    earlier: Path | None = None,
) -> None:
    """Write `manifest.json` over everything else in the folder; `rows` counts published rows.

    A file that is a hard link into the folder of an earlier run has the hash that is written there.
    """
    known = kept_hashes(earlier) if earlier is not None else {}
    about = {
        "run_id": run.run_id,
        "as_of": run.as_of.isoformat(),
        "keel_version": __version__,
        "protocols": _protocols(warehouse),
        "audit_head": asdict(head(warehouse.db)),
        "derived": _derived(warehouse),
        "subjects": _subjects(warehouse),
        "rows": dict(sorted(rows.items())),
        "files": {
            path.relative_to(folder).as_posix(): _hash(path, folder, earlier, known)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    }
    text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def published_runs(publish: Path) -> list[Path]:
    """Folders of published runs, oldest first."""
    return [path for path in sorted(publish.glob("*")) if RUN_ID.fullmatch(path.name)]


def head_kept(run: Path) -> Head:
    """The head that the audit log had when a run was published.

    Raises KeelError when its manifest does not tell.
    """
    path = run / MANIFEST
    try:
        return Head(**json.loads(path.read_text("utf-8"))["audit_head"])
    except (OSError, ValueError, KeyError, TypeError):
        raise KeelError(
            f"{path}: tells no head of the audit log; it was damaged or written by an earlier "
            "Keel: remove that run's folder if it is no longer needed, run again."
        ) from None


def _protocols(warehouse: Warehouse) -> list[dict[str, str]]:
    rows = warehouse.db.execute(
        "SELECT protocol, protocol_version, sha256 FROM marts.protocols ORDER BY ALL"
    ).fetchall()
    return [{"protocol": name, "version": version, "sha256": sha} for name, version, sha in rows]


def _subjects(warehouse: Warehouse) -> dict[str, int]:
    """How many were judged anew and how many left as they were."""
    row = warehouse.db.execute("SELECT judged, skipped FROM ops.judged").fetchone()
    return dict(zip(("judged", "skipped"), row or (0, 0), strict=True))


def _derived(warehouse: Warehouse) -> list[dict[str, Any]]:
    """Dates that a source does not have, and how each was made up."""
    rows = warehouse.db.execute(
        "SELECT DISTINCT source, clinic_id, feed, entry.key, entry.value FROM ("
        "SELECT source, clinic_id, feed, unnest(map_entries(derived)) AS entry FROM ops.batches "
        "WHERE state IN ('accepted', 'partial') AND derived IS NOT NULL) ORDER BY ALL"
    ).fetchall()
    names = ("source", "clinic_id", "feed", "column", "how")
    return [dict(zip(names, row, strict=True)) for row in rows]


def hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file below a folder."""
    return {
        path.relative_to(folder).as_posix(): file_hash(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def version_of(run: Path) -> str:
    """Which Keel published a run, in words: "Keel 0.1.0"; "another Keel" where nothing tells."""
    version = _told(run).get("keel_version")
    return f"Keel {version}" if version else "another Keel"


def kept_hashes(run: Path) -> Mapping[str, str]:
    """Hashes that a run's manifest holds; none when it cannot be read."""
    files = _told(run).get("files")
    return files if isinstance(files, dict) else {}


def _told(run: Path) -> dict[str, Any]:
    """What a run's manifest tells; nothing when it cannot be read."""
    try:
        told = json.loads((run / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _hash(path: Path, folder: Path, earlier: Path | None, known: Mapping[str, str]) -> str:
    name = path.relative_to(folder)
    if earlier is not None and path.stat().st_nlink > 1 and name.as_posix() in known:
        there = earlier / name
        if there.exists() and there.samefile(path):
            return known[name.as_posix()]
    return file_hash(path)


def file_hash(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
