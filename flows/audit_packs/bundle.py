"""A bundle on the disk: CSV files, a page to read, and a manifest of hashes; whole or absent.

Before it gets its name, the act stands in the audit log with the manifest's hash, so that whoever
changes a bundle, manifest and all, is found out by the log.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from flows import __version__
from flows.aside import flush, private_files, sync
from flows.audit import append
from flows.audit_packs.page import index_page
from flows.audit_packs.scope import Scope, Table
from flows.errors import UsageError
from flows.manifest import MANIFEST, file_hash
from flows.spreadsheets import write_csv
from flows.warehouse import Warehouse

INDEX = "index.html"


@dataclass(frozen=True)
class Bundle:
    """What is handed over. `texts` are further files by name; `named` says that it holds patients'
    names; `about` goes into the manifest.
    """

    kind: str
    title: str
    scope: Scope
    notes: Sequence[str]
    tables: Sequence[Table]
    texts: Mapping[str, str] = field(default_factory=dict)
    named: bool = False
    about: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """A bundle's folder, the SHA-256 of its manifest, and how many rows each table has."""

    folder: Path
    manifest_sha256: str
    rows: Mapping[str, int]


def default_folder(kind: str, scope: Scope, *more: str) -> Path:
    """Where a bundle goes when nobody says where."""
    clinic = re.sub(r"[^\w.-]", "_", scope.clinic_id)
    return Path("audit") / "-".join([kind, clinic, f"{scope.first}", f"{scope.last}", *more])


def write_bundle(warehouse: Warehouse, bundle: Bundle, folder: Path) -> Written:
    """Write a bundle as a new folder, for its owner alone, and the act into the audit log.

    Raises UsageError when the folder is there already, OSError when it cannot be written.
    """
    if folder.exists():
        raise UsageError(f"{folder}: is there already; name another folder with --out.")
    temporary = folder.with_name(f".{folder.name}.tmp")
    with private_files():
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)  # what a killed command left
        try:
            temporary.mkdir()
            _write_files(bundle, temporary)
            written = Written(
                folder,
                file_hash(temporary / MANIFEST),
                {table.name: len(table.rows) for table in bundle.tables},
            )
            flush(temporary)
            subject = f"{bundle.scope.words}, manifest {written.manifest_sha256}"
            append(warehouse, f"audit {bundle.kind}", subject, "done")
            temporary.rename(folder)
            sync(folder.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return written


def _write_files(bundle: Bundle, folder: Path) -> None:
    for table in bundle.tables:
        write_csv(folder / f"{table.name}.csv", table.header, table.rows)
    for name, text in bundle.texts.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    made_at = datetime.now(UTC)
    page = index_page(bundle, made_at)
    (folder / INDEX).write_text(page, encoding="utf-8")
    scope = bundle.scope
    about = {
        "kind": bundle.kind,
        "clinic_id": scope.clinic_id,
        "from": scope.first.isoformat(),
        "to": scope.last.isoformat(),
        "run_id": scope.run_id,
        "as_of": scope.as_of.astimezone(UTC).isoformat(),
        "made_at": made_at.isoformat(timespec="seconds"),
        "keel_version": __version__,
        "holds_names": bundle.named,
        "notes": list(bundle.notes),
        **bundle.about,
        "rows": {table.name: len(table.rows) for table in bundle.tables},
        "files": {
            path.relative_to(folder).as_posix(): file_hash(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    }
    text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
