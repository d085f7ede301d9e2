"""Small networks and runs of `keel` that the end-to-end and fault tests share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb

from flows.demo import write_network

MARTS = ("findings", "subject_adherence", "coverage", "rule_monthly")
RUN_COLUMNS = {"run_id", "first_found_run"}


def small_network(folder: Path, *, seed: int = 7, clean: bool = False) -> str:
    """A demo network of a thousand rows; gives the instant to judge it at."""
    written = write_network(
        folder, clinics=2, patients=8, days=20, seed=seed, clean=clean, truth=True
    )
    return written.as_of.isoformat()


def keel(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `keel` as a user does, and give what it said."""
    return subprocess.run(command(*arguments), cwd=cwd, capture_output=True, text=True, check=False)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "flows", *map(str, arguments)]


def nightly(folder: Path, as_of: str, *more: str) -> list[str | Path]:
    """Arguments of a nightly on a network's folders, without Prefect."""
    return [
        "nightly", "--plain", "--as-of", as_of, "--landing", folder / "landing",
        "--warehouse", folder / "warehouse", "--publish", folder / "published", *more,
    ]  # fmt: skip


def marts(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """The published marts and verdicts, sorted, without run ids."""
    published = folder / "published" / "current"
    found: dict[str, list[tuple[object, ...]]] = {}
    with duckdb.connect(str(published / "results.duckdb"), read_only=True) as db:
        for table in MARTS:
            names = [
                name
                for (name,) in db.execute(
                    "SELECT column_name FROM information_schema.columns "
                    "WHERE table_schema = 'marts' AND table_name = ? ORDER BY 1",
                    [table],
                ).fetchall()
                if name not in RUN_COLUMNS
            ]
            columns = ", ".join(f'"{name}"' for name in names)
            found[table] = db.execute(
                f"SELECT {columns} FROM marts.{table} ORDER BY ALL"
            ).fetchall()
    files = str(published / "verdicts" / "**" / "*.parquet")
    with duckdb.connect() as db:
        found["verdicts"] = db.execute(
            "SELECT * FROM read_parquet(?, hive_partitioning = false) ORDER BY ALL", [files]
        ).fetchall()
    return found


def without_pseudonyms(found: dict[str, list[tuple[object, ...]]]) -> dict[str, int]:
    """Sizes only: two warehouses have two keys."""
    return {name: len(rows) for name, rows in found.items()}


def patient_ids(folder: Path) -> list[str]:
    """Of everybody in a network's warehouse."""
    with duckdb.connect(str(folder / "warehouse" / "keel.duckdb"), read_only=True) as db:
        rows = db.execute("SELECT patient_id FROM facts.patients").fetchall()
    return [row[0] for row in rows]
