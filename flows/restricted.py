"""`restricted/`: flags on staff and prescribers, apart from everything else in a published run.

A flag there is a reason to look, on somebody who has not been heard. Nothing of it stands in
`results.duckdb`, the report or the spreadsheet; the folder is its owner's alone.
"""

from __future__ import annotations

from pathlib import Path

from flows.results import write_tables
from flows.warehouse import Warehouse
from protocols.risk import RESTRICTED as SUBJECTS

RESTRICTED = "restricted"
DATABASE = "restricted.duckdb"
_SUBJECT = "clinic_id, subject_kind, subject_id"
_OWNER_ONLY = 0o700, 0o600


def write_restricted(warehouse: Warehouse, folder: Path) -> dict[str, int]:
    """Write the folder with its database; gives how many rows each table has, its name behind
    `restricted/`."""
    kinds = ", ".join(f"'{kind}'" for kind in sorted(SUBJECTS))
    folder_mode, file_mode = _OWNER_ONLY
    folder.mkdir(mode=folder_mode)
    path = folder / DATABASE
    counts = write_tables(
        warehouse,
        path,
        {
            "marts.risk_flags": f"SELECT * FROM marts.restricted_flags ORDER BY {_SUBJECT}, signal",
            "marts.risk_scores": "SELECT * FROM marts.restricted_scores "
            f"ORDER BY score DESC, {_SUBJECT}",
            "marts.risk_observations": "SELECT * FROM marts.risk_observations "
            f"WHERE subject_kind IN ({kinds}) ORDER BY {_SUBJECT}, signal",
        },
    )
    path.chmod(file_mode)
    return {f"{RESTRICTED}/{table}": rows for table, rows in counts.items()}
