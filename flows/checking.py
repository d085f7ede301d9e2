"""`keel check`: export files judged as a night would, in a warehouse that is thrown away.

For the person who exports: what is wrong, in which rows and columns (never the value), what to do.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from checks.contract import contract, contracts
from checks.quarantine import reason_words
from flows.deliveries import land
from flows.errors import UsageError
from flows.landing import discover
from flows.load import load_feed
from flows.raw import NETWORK
from flows.runs import start_run
from flows.settings import Settings
from flows.sources import suffix_of
from flows.warehouse import Warehouse, open_warehouse

UNPLACED = "clinic"
MOST_ROWS = 50


@dataclass(frozen=True)
class Checked:
    """What would become of one file; `problems` are (row number, words) of rows that would be
    quarantined, `warnings` what would load nevertheless."""

    path: str
    state: str
    reason: str | None
    rows: int
    quarantined: int
    problems: tuple[tuple[int, str], ...]
    warnings: tuple[str, ...]

    def words(self) -> str:
        """For a person at a terminal."""
        if self.state == "blocked":
            return f"{self.path}: would be blocked: {self.reason}; mend that and export it again."
        lines = [f"{self.path}: {self.rows:,} rows, {self.quarantined:,} would be quarantined"]
        lines += [f"  row {number:,}: {words}" for number, words in self.problems]
        hidden = self.quarantined - len({number for number, _ in self.problems})
        lines += [f"  and {hidden:,} more rows"] if hidden > 0 else []
        lines += [f"  warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)


def check_files(
    paths: Sequence[Path], settings: Settings, time_zone: str | None
) -> tuple[list[Checked], tuple[str, ...]]:
    """Judge files (or all those of folders) without loading them, and notes on those left aside.

    Clinics are known from the landing folder's clinics files; one that is not is taken to lie in
    `time_zone` (else UTC). Raises UsageError when there is nothing to check.
    """
    found = [file for path in paths for file in _files(path)]
    if not found:
        raise UsageError(f"{paths[0]}: no export is there; name files or folders of exports.")
    with tempfile.TemporaryDirectory(prefix="keel-check-") as name:
        folder = Path(name)
        placed = _place(found, folder / "landing", settings, time_zone)
        trial = settings.model_copy(
            update={"landing": folder / "landing", "source": (), "quarantine_share": 1.0}
        )
        with open_warehouse(folder / "warehouse") as warehouse:
            run = start_run(warehouse, settings.now())
            seen = discover(trial, warehouse, (), ())
            land(warehouse, seen, run, trial)
            for feed in contracts():
                load_feed(warehouse, feed, run, trial)
            return [
                _result(warehouse, shown, relative, settings)
                for relative, shown in placed.items()
                if _known(warehouse, relative)
            ], tuple(_renamed(note, placed) for note in seen.notes)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.is_file() and suffix_of(p.name))
    if not path.exists():
        raise UsageError(f"{path}: there is no such file; check the name.")
    return [path]


def _place(
    found: Sequence[Path], landing: Path, settings: Settings, time_zone: str | None
) -> dict[str, str]:
    """Copy files to where a night would look; gives relative path -> what the user called it."""
    placed: dict[str, str] = {}
    for file in found:
        holder = file.resolve().parent.name
        clinic = holder if holder == NETWORK or _is_clinic(file) else UNPLACED
        (landing / clinic).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, landing / clinic / file.name)
        placed[f"{clinic}/{file.name}"] = str(file)
    network = landing / NETWORK
    network.mkdir(parents=True, exist_ok=True)
    roots = {file.resolve().parent.parent for file in found} | {settings.landing}
    for root in roots:
        for clinics in sorted((root / NETWORK).glob("clinics*")):
            if f"{NETWORK}/{clinics.name}" not in placed:
                shutil.copyfile(clinics, network / clinics.name)
    strangers = sorted({relative.split("/")[0] for relative in placed} - {NETWORK})
    lines = [f"{clinic},{clinic},{time_zone or 'UTC'},1900-01-01T00:00:00Z" for clinic in strangers]
    header = "clinic_id,name,time_zone,extracted_at"
    (network / "clinics_assumed.csv").write_text("\n".join([header, *lines]) + "\n", "utf-8")
    return placed


def _is_clinic(file: Path) -> bool:
    """A file lies in a clinic's folder when its folder stands beside `_network`."""
    return (file.resolve().parent.parent / NETWORK).is_dir()


def _known(warehouse: Warehouse, relative: str) -> bool:
    row = warehouse.db.execute("SELECT 1 FROM ops.batches WHERE path = ?", [relative]).fetchone()
    return row is not None


def _renamed(note: str, placed: dict[str, str]) -> str:
    for relative, shown in placed.items():
        note = note.replace(relative, shown)
    return note


def _result(warehouse: Warehouse, shown: str, relative: str, settings: Settings) -> Checked:
    db = warehouse.db
    batch = db.execute(
        "SELECT batch_no, feed, state, reason, coalesce(rows, 0), coalesce(quarantined, 0), "
        "unknown_columns FROM ops.batches WHERE path = ? ORDER BY batch_no DESC LIMIT 1",
        [relative],
    ).fetchone()
    assert batch is not None
    number, feed, state, reason, rows, bad, unknown = batch
    held = contract(feed)
    share = settings.quarantine_share if held.quarantine_share is None else held.quarantine_share
    if state != "blocked" and bad > share * rows:
        state = "partial"
    problems = db.execute(
        "SELECT row_number, reasons FROM ops.quarantine WHERE batch_no = ? "
        "ORDER BY row_number LIMIT ?",
        [number, MOST_ROWS],
    ).fetchall()
    warned = db.execute(
        "SELECT expectation_id, unexpected FROM ops.check_results WHERE feed = ? AND NOT success "
        "AND kind IN ('range', 'suggested_set', 'order') AND severity = 'warn' "
        "ORDER BY expectation_id",
        [feed],
    ).fetchall()
    warnings = [f"the column {name} is not known and is not used" for name in unknown]
    if bad > share * rows:
        warnings.insert(
            0, f"{bad:,} of {rows:,} rows are more than the {share:.0%} allowed: the file would be "
            "blocked as a whole",
        )  # fmt: skip
    warnings += [f"{name.replace('_', ' ')}: {count:,} rows of {feed}" for name, count in warned]
    return Checked(
        path=shown,
        state="blocked" if bad > share * rows and not problems else state,
        reason=reason,
        rows=rows,
        quarantined=bad,
        problems=tuple(
            (row, reason_words(code, held)) for row, codes in problems for code in codes
        ),
        warnings=tuple(warnings),
    )


def would_be_blocked(checked: Sequence[Checked], settings: Settings) -> bool:
    """Whether a night would block one of the files."""
    return any(
        item.state == "blocked" or item.quarantined > settings.quarantine_share * item.rows
        for item in checked
    )
