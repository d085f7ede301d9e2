"""Whether bundles, published runs and the audit log are as they were written; works offline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from flows.audit import Head, first_broken, head, verify
from flows.errors import KeelError, UsageError
from flows.manifest import MANIFEST, file_hash, head_kept, published_runs, version_of
from flows.publish import RESULTS
from flows.warehouse import read_warehouse


@dataclass(frozen=True)
class Checked:
    """One thing that was looked at, what it is in a few words, and what is wrong with it."""

    where: Path
    what: str
    problems: tuple[str, ...]

    @property
    def intact(self) -> bool:
        return not self.problems


def verify_bundle(folder: Path, warehouse: Path | None = None) -> Checked:
    """A bundle's files against its manifest and, given a warehouse, that against the audit log.

    Raises UsageError when the folder holds no manifest.
    """
    about = _manifest(folder)
    problems = [*_changed_files(folder, about)]
    digest = file_hash(folder / MANIFEST)
    if warehouse is not None:
        with read_warehouse(warehouse) as opened:
            known = opened.db.execute(
                "SELECT entry_no FROM ops.audit_log WHERE subject LIKE '%manifest ' || ?", [digest]
            ).fetchone()
        if known is None:
            problems.append(f"{MANIFEST}: its hash {digest} is not in the audit log")
    what = f"{about.get('kind', 'published run')}, manifest {digest}"
    return Checked(folder, what, tuple(problems))


def verify_runs(publish: Path) -> list[Checked]:
    """Each published run's files against its manifest, and its copy of the audit log.

    Raises UsageError when there is no run.
    """
    runs = published_runs(publish)
    if not runs:
        raise UsageError(f"{publish}: no published run is there; name the folder with --publish.")
    return [_verified_run(run) for run in runs]


def verify_log(warehouse: Path, publish: Path | None) -> Checked:
    """A warehouse's audit log, also against the heads that published runs keep of it."""
    kept: dict[str, Head] = {}
    problems = []
    for run in published_runs(publish) if publish is not None else ():
        try:
            kept[run.name] = head_kept(run)
        except KeelError as error:
            problems.append(str(error))
    with read_warehouse(warehouse) as opened:
        problem = verify(opened.db, kept)
        end = head(opened.db)
    if problem:
        problems.append(f"ops.audit_log: {problem}")
    what = f"audit log, {end.entry_no:,} entries, head {end.hash}"
    return Checked(warehouse, what, tuple(problems))


def _verified_run(run: Path) -> Checked:
    try:
        about = _manifest(run)
    except UsageError as error:
        return Checked(run, "published run", (str(error),))
    problems = [*_changed_files(run, about)]
    # A file of the run that is not as it was is not opened: it may be no database any more.
    if not any(problem.startswith(RESULTS) for problem in problems):
        problems += _changed_log(run, about)
    what = f"run published by {version_of(run)}, {len(about['files']):,} files"
    return Checked(run, what, tuple(problems))


def _changed_log(run: Path, about: dict[str, Any]) -> Iterator[str]:
    """A sentence for what is wrong with a run's copy of the audit log."""
    try:
        with duckdb.connect(str(run / RESULTS), read_only=True) as db:
            broken, end = first_broken(db), head(db)
    except duckdb.Error:
        yield f"{RESULTS}: {version_of(run)} wrote no audit log into it that can be read here"
        return
    if broken is not None:
        yield f"{RESULTS}: entry {broken} of its audit log is not as it was written"
    if "audit_head" not in about:
        yield (
            f"{MANIFEST}: {version_of(run)} wrote no head of the audit log into it, so that "
            "nothing tells whether the end was cut off"
        )
    elif about["audit_head"] != {"entry_no": end.entry_no, "hash": end.hash}:
        yield f"{MANIFEST}: its audit head is not that of {RESULTS}"


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        about: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if isinstance(about["files"], dict):
            return about
    except FileNotFoundError:
        raise UsageError(
            f"{folder}: holds no {MANIFEST}; name the folder of a pack or of a sample, or a "
            "folder of published runs with --publish."
        ) from None
    except (ValueError, KeyError, TypeError):
        pass
    raise UsageError(f"{path}: is no manifest any more; get the folder anew from who made it.")


def _changed_files(folder: Path, about: dict[str, Any]) -> Iterator[str]:
    """A sentence for each file that is changed, missing, or not of the bundle."""
    files: dict[str, str] = about["files"]
    there = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    for name in sorted(files.keys() | there - {MANIFEST}):
        if name not in there:
            yield f"{name}: is missing"
        elif name not in files:
            yield f"{name}: is not in the manifest"
        elif file_hash(folder / name) != files[name]:
            yield f"{name}: is not as it was written"
