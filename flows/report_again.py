"""A report written again from a published run, which nothing else of the run changes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.errors import KeelError, UsageError
from flows.manifest import hashes, kept_hashes
from flows.narrowed import Scope, published_tables
from flows.settings import Settings

REPORT = "report"
_MARK = ".keel-report"


def write_again(settings: Settings, scope: Scope, out: Path | None) -> Path:
    """Write the report; gives its first page. Without `out` the pages of the run itself, which must
    come out as they were published; of a part, or with `out`, a folder of its own, which holds the
    spreadsheet and the PDF too.

    Raises UsageError when no run is there or `out` is somebody else's, KeelError when the run's
    pages would come out otherwise.
    """
    from flows.reports.html import write_html
    from flows.reports.pdf import write_pdf
    from flows.reports.rates import prepare
    from flows.reports.xlsx import write_xlsx

    run = _current(settings)
    if out is None and scope.narrow:
        out = Path("keel-report")
    with _replaced(out or run / REPORT, own=out is None) as aside:
        with published_tables(run, scope) as db:
            prepare(db)
            write_html(db, aside, scope.words)
            if out is not None:
                write_xlsx(db, aside / "report.xlsx", scope.words)
                write_pdf(db, aside / "report.pdf", scope.words)
        if out is None:
            _must_be_the_same(run, aside)
    return (out or run / REPORT) / "index.html"


def write_for_outsiders(settings: Settings, out: Path | None) -> Path:
    """Write the report for readers outside the network; gives its first page."""
    from flows.reports.external import write_external

    run, target = _current(settings), out or Path("keel-report-external")
    with _replaced(target, own=False) as aside, published_tables(run, Scope()) as db:
        write_external(db, aside, settings.small_cell)
    return target / "index.html"


def _current(settings: Settings) -> Path:
    current = settings.publish / "current"
    if not current.is_dir():
        raise UsageError(
            f"{settings.publish}: no published run is there; name its folder with --publish, or "
            "run `keel nightly` first."
        )
    return current.resolve()


@contextmanager
def _replaced(target: Path, *, own: bool) -> Iterator[Path]:
    """A folder to write into, which then stands where `target` was: whole, its owner's alone.
    `own`: the place is Keel's; else it must be new, empty, or a report that Keel put there."""
    if not own:
        _refuse_foreign(target)
    aside, old = (target.with_name(f".{target.name}.{part}") for part in ("tmp", "old.tmp"))
    shutil.rmtree(aside, ignore_errors=True)
    previous = os.umask(0o077)
    try:
        yield aside
        if not own:
            (aside / _MARK).touch()
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        aside.rename(target)
    finally:
        os.umask(previous)
        for left in (aside, old):
            shutil.rmtree(left, ignore_errors=True)


def _refuse_foreign(folder: Path) -> None:
    if not folder.exists() or (folder / _MARK).exists():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise UsageError(
            f"{folder}: is neither empty nor a report of Keel; name another folder with --out."
        )


def _must_be_the_same(run: Path, aside: Path) -> None:
    """A run's files are those that its manifest has the hashes of."""
    published = {
        name.removeprefix(f"{REPORT}/"): value
        for name, value in kept_hashes(run).items()
        if name.startswith(f"{REPORT}/")
    }
    if hashes(aside) != published:
        raise KeelError(
            f"{run}: its pages would come out otherwise than they were published (by another Keel, "
            "or its tables were changed); nothing was written; name a folder with --out."
        )
