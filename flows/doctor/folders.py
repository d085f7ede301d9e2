"""The folders: rights, room, and who holds the warehouse."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from flows.alive import CURRENT
from flows.doctor.findings import Finding, Installation
from flows.lock import LOCK, holder
from flows.pseudonyms import KEY_FILE
from flows.warehouse import DATABASE

LEAST_FREE_BYTES = 1_000_000_000


def landing(installation: Installation) -> Iterator[Finding]:
    """The folder of exports can be read."""
    folder = installation.settings.landing
    if not folder.is_dir() and installation.settings.source:
        yield Finding("ok", "no folder, foreign exports only")
    elif not folder.is_dir():
        yield Finding("warning", f"{folder}: there is no such folder yet",
                      "make it, or name another with `landing`")  # fmt: skip
    elif not os.access(folder, os.R_OK | os.X_OK):
        yield Finding("broken", f"{folder}: cannot be read", "give Keel's user the right to read")
    else:
        yield Finding("ok", f"{folder} can be read")


def warehouse_folder(installation: Installation) -> Iterator[Finding]:
    """The warehouse can be written by Keel, and be read by nobody else."""
    folder = installation.settings.warehouse
    yield from _writable(folder, "warehouse")
    for path in (folder / DATABASE, folder / KEY_FILE):
        if path.exists() and path.stat().st_mode & 0o077:
            yield Finding("broken", f"{path}: others than its owner may read it",
                          f"chmod 600 {path}")  # fmt: skip
    if (folder / DATABASE).exists() and not (folder / KEY_FILE).exists():
        yield Finding("warning", f"{folder / KEY_FILE}: is not there",
                      "restore it if a run was ever published: old pseudonyms need it")  # fmt: skip


def publish_folder(installation: Installation) -> Iterator[Finding]:
    """The folder of published runs can be written, and `current` leads to one."""
    folder = installation.settings.publish
    yield from _writable(folder, "publish")
    current = folder / CURRENT
    if current.is_symlink() and not current.exists():
        yield Finding("broken", f"{current}: leads to a run that is not there",
                      "run `keel nightly`, or restore the run's folder")  # fmt: skip


def _writable(folder: Path, name: str) -> Iterator[Finding]:
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        yield Finding("broken", f"{nearest}: is a file, no folder",
                      f"name another with `{name}`")  # fmt: skip
    elif not os.access(nearest, os.W_OK | os.X_OK):
        yield Finding("broken", f"{nearest}: cannot be written",
                      f"give Keel's user the right, or name another with `{name}`")  # fmt: skip
    else:
        said = "can be written" if nearest == folder else "will be made by the first run"
        yield Finding("ok", f"{folder} {said}")


def disk_room(installation: Installation) -> Iterator[Finding]:
    """Room for another night where the warehouse and the published runs lie."""
    held = installation.settings
    for folder in (held.warehouse, held.publish):
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(nearest).free
        database = held.warehouse / DATABASE
        wanted = max(LEAST_FREE_BYTES, 2 * database.stat().st_size if database.exists() else 0)
        said = f"{folder}: {free / 1e9:.1f} GB free"
        if free < wanted:
            yield Finding("warning", f"{said}, a night may need {wanted / 1e9:.1f} GB",
                          "free the disk, or lower `keep_runs`")  # fmt: skip
        else:
            yield Finding("ok", said)


def lock(installation: Installation) -> Iterator[Finding]:
    """Whether another run holds the warehouse now."""
    folder = installation.settings.warehouse
    if is_held(folder):
        yield Finding(
            "warning", f"{folder}: another run holds the warehouse{holder(folder)}",
            "wait for it to end, or end it if it hangs: a run that is gone holds nothing",
        )  # fmt: skip
    else:
        yield Finding("ok", "nobody holds the warehouse")


def is_held(folder: Path) -> bool:
    """Whether a run holds the warehouse of this folder."""
    path = folder / LOCK
    if not path.exists():
        return False
    with path.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
