"""A run's folder for readers: written aside, whole, then renamed; `current` moves last.

Readers never see a run that is half-written, and never a name, postal code, phone number or
patient id: patients are keyed pseudonyms.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from flows.alive import CURRENT
from flows.aside import flush, private_files, sync
from flows.errors import DiskError, KeelError
from flows.manifest import write_manifest
from flows.partitions import write_verdicts
from flows.pseudonyms import ensure_pseudonyms
from flows.restricted import RESTRICTED, write_restricted
from flows.results import reading_results, write_results
from flows.runs import RUN_ID, Run
from flows.session_pages import update_session_pages
from flows.settings import Settings
from flows.warehouse import Warehouse, shows_damage
from protocols.model import Protocol

RESULTS = "results.duckdb"
_LEFT_OVER = re.compile(rf"\.(current\.)?{RUN_ID.pattern}\.tmp")
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


def publish_run(
    warehouse: Warehouse, run: Run, settings: Settings, protocols: tuple[Protocol, ...]
) -> Path:
    """Publish the warehouse's marts as a run's folder, move `current` to it, remove the oldest.

    Raises DiskError when the folder cannot be written, KeelError when it cannot hold runs.
    """
    publish = settings.publish
    update_session_pages(warehouse, protocols, run, settings)
    ensure_pseudonyms(warehouse)
    temporary = publish / f".{run.run_id}.tmp"
    with _explained(publish), private_files():
        publish.mkdir(parents=True, exist_ok=True)
        _sweep(publish)
        try:
            _write(warehouse, run, temporary, _earlier(warehouse, publish))
            flush(temporary)
            temporary.rename(publish / run.run_id)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _point(publish, run.run_id)
        _remove_old(publish, settings.keep_runs)
    return publish / run.run_id


@dataclass(frozen=True)
class _Earlier:
    """A whole run that this warehouse published before, and its number."""

    folder: Path
    seq: int


def _earlier(warehouse: Warehouse, publish: Path) -> _Earlier | None:
    """The current run, if it is this warehouse's."""
    try:
        name = (publish / CURRENT).readlink().name
    except OSError:
        return None
    row = warehouse.db.execute(
        "SELECT seq FROM ops.runs WHERE run_id = ? AND state = 'published'", [name]
    ).fetchone()
    return _Earlier(publish / name, int(row[0])) if row else None


def _write(warehouse: Warehouse, run: Run, folder: Path, earlier: _Earlier | None) -> None:
    folder.mkdir()
    rows = write_results(warehouse, run, folder / RESULTS)
    rows |= write_restricted(warehouse, folder / RESTRICTED)
    verdicts = folder / "verdicts"
    rows["verdicts"] = (
        write_verdicts(warehouse, verdicts, earlier.folder / "verdicts", earlier.seq)
        if earlier
        else write_verdicts(warehouse, verdicts)
    )
    with reading_results(warehouse, folder / RESULTS):
        _write_report(warehouse.db, folder / "report")
        _write_restricted_page(warehouse.db, folder / RESTRICTED)
    write_manifest(warehouse, run, folder, rows, earlier.folder if earlier else None)


def _write_report(db: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """The pages in `folder`, the spreadsheet and the PDF beside it."""
    from flows.reports.html import write_html
    from flows.reports.pdf import write_pdf
    from flows.reports.rates import prepare
    from flows.reports.xlsx import write_xlsx

    prepare(db)
    write_html(db, folder)
    write_xlsx(db, folder.with_suffix(".xlsx"))
    write_pdf(db, folder.with_suffix(".pdf"))


def _write_restricted_page(db: duckdb.DuckDBPyConnection, folder: Path) -> None:
    from flows.reports.restricted import write_page

    write_page(db, folder)


@contextmanager
def _explained(publish: Path) -> Iterator[None]:
    """What the disk refuses, as one sentence."""
    try:
        yield
    except duckdb.IOException as error:
        if shows_damage(error):
            raise
        raise DiskError(_refused(publish, "the disk is full or fails")) from None
    except OSError as error:
        reason = error.strerror or "cannot be written"
        if error.errno in _DISK:
            raise DiskError(_refused(publish, reason)) from None
        raise KeelError(_refused(publish, reason)) from None


def _refused(publish: Path, reason: str) -> str:
    return (
        f"{publish}: publishing the run failed ({reason}); the last whole run stays current; mend "
        "that or name another folder with --publish, run again."
    )


def _sweep(publish: Path) -> None:
    """Remove what killed runs left behind, and nothing else."""
    for left in publish.iterdir():
        if _LEFT_OVER.fullmatch(left.name):
            left.unlink() if left.is_symlink() or left.is_file() else shutil.rmtree(left)


def _point(publish: Path, run_id: str) -> None:
    """Move `current` in one step, once the run's name is on the disk."""
    sync(publish)
    link = publish / f".{CURRENT}.{run_id}.tmp"
    link.symlink_to(run_id, target_is_directory=True)
    try:
        link.replace(publish / CURRENT)
    except OSError:
        with suppress(OSError):
            link.unlink()
        raise
    sync(publish)


def _remove_old(publish: Path, keep: int) -> None:
    """All but the newest runs by their number, and never the current one."""
    current = (publish / CURRENT).readlink().name
    runs = {
        path: int(named[1])
        for path in publish.iterdir()
        if (named := RUN_ID.fullmatch(path.name)) and path.is_dir() and path.name != current
    }
    newest_first = sorted(runs, key=lambda path: (runs[path], path.name), reverse=True)
    for old in newest_first[keep - 1 :]:
        shutil.rmtree(old)
