"""What is new under the landing folder.

Nothing there is moved or changed. A file is known by its path, size and time of change; only a new
or changed one is read.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from checks.contract import contracts
from flows import __version__
from flows.errors import UsageError
from flows.raw import NETWORK
from flows.settings import Settings, SourceSettings
from flows.sources import formats, suffix_of
from flows.warehouse import Warehouse

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+@=()-]*")


@dataclass(frozen=True)
class Delivery:
    """One file of the landing folder that is new, changed, or worth another try."""

    clinic_id: str
    feed: str
    path: Path
    name: str
    bytes: int
    modified_ns: int


class LeftAside(Exception):
    """A file that is no delivery, in the rest of a sentence; a data file is `refused`."""

    def __init__(self, why: str, *, refused: bool = True) -> None:
        super().__init__(why)
        self.refused = refused


@dataclass(frozen=True)
class Found:
    """What there is to read: files of the landing folder that are new, and foreign `sources`;
    `notes` are sentences about what was left aside, `refused` the data files among that."""

    deliveries: tuple[Delivery, ...] = ()
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    sources: tuple[SourceSettings, ...] = ()

    def leaving(self, left: Mapping[str, str]) -> Found:
        """With what could not be read after all, and the sentence about each."""
        return replace(self, notes=(*self.notes, *left.values()), refused=(*self.refused, *left))

    @classmethod
    def nothing(cls) -> Found:
        """Before anybody looked."""
        return cls()


def discover(
    settings: Settings, warehouse: Warehouse, feeds: Sequence[str], clinics: Sequence[str]
) -> Found:
    """Look through the landing folder, only at the feeds and clinics named, if any are.

    Raises UsageError when there is nothing to look at or a named clinic has no folder.
    """
    notes: list[str] = list(warehouse.notes)
    folders = _clinic_folders(settings, clinics, notes)
    unchanged = _ledger(warehouse, settings)
    deliveries: list[Delivery] = []
    refused: list[str] = []
    seen = 0
    for folder in folders:
        for entry in _entries(folder, notes, refused):
            if entry.name.startswith("."):
                continue
            seen += 1
            name = f"{folder.name}/{entry.name}"
            feed = _feed_of(entry, name, notes, refused)
            if feed is None or (feeds and feed not in feeds):
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # taken away meanwhile
                continue
            except OSError as error:
                notes.append(f"{name}: cannot be read ({error.strerror}); mend that.")
                refused.append(name)
                continue
            size, modified = status.st_size, status.st_mtime_ns
            if unchanged.get(name) != (size, modified):
                path = Path(entry.path)
                deliveries.append(Delivery(folder.name, feed, path, name, size, modified))
    if not seen and not settings.source:
        raise UsageError(
            f"{settings.landing}: no export is there; put files at "
            f"{settings.landing}/<clinic_id>/<feed>.csv, or try `keel demo`."
        )
    sources = (source for source in settings.source if not clinics or source.clinic in clinics)
    return Found(tuple(deliveries), tuple(notes), tuple(refused), tuple(sources))


def _entries(folder: Path, notes: list[str], refused: list[str]) -> list[os.DirEntry[str]]:
    """What lies in a clinic's folder, by name; a folder that cannot be read holds none back."""
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        shown = _shown(folder.name)
        notes.append(f"{shown}: cannot be read ({error.strerror}), so it is left aside; mend that.")
        refused.append(shown)
        return []


def require_landing(settings: Settings) -> None:
    """Raises UsageError when there is neither a landing folder nor a source to read."""
    if not settings.landing.is_dir() and not settings.source:
        raise UsageError(
            f"{settings.landing}: there is no such landing folder; name it with --landing or in "
            "keel.toml, or try `keel demo`."
        )


def _clinic_folders(settings: Settings, clinics: Sequence[str], notes: list[str]) -> list[Path]:
    require_landing(settings)
    landing = settings.landing
    if not landing.is_dir():
        return []
    folders: list[str] = []
    for entry in sorted(os.scandir(landing), key=lambda entry: entry.name):
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):  # asks no share that may be gone
            folders.append(entry.name)
        else:
            notes.append(f"{_shown(entry.name)}: is no clinic's folder, so it is left aside.")
    known = {*folders, *(source.clinic for source in settings.source)}
    for clinic in clinics:
        if clinic not in known:
            near = difflib.get_close_matches(clinic, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "see the folders there."
            raise UsageError(f"{landing}: there is no clinic {clinic}; {hint}")
    return [landing / name for name in folders if not clinics or name in (*clinics, NETWORK)]


def _feed_of(
    entry: os.DirEntry[str], relative: str, notes: list[str], refused: list[str]
) -> str | None:
    """The feed that a file's name says, or a note why it is left aside."""
    shown = _shown(relative)
    if not entry.is_file(follow_symlinks=False):
        notes.append(f"{shown}: is no plain file, so it is left aside.")
        if suffix_of(entry.name) is not None:
            refused.append(shown)
        return None
    try:
        return feed_named(relative)
    except LeftAside as problem:
        notes.append(f"{shown}: {problem}")
        if problem.refused:
            refused.append(shown)
        return None


def is_clinic_name(name: str) -> bool:
    """Whether a folder of that name may be a clinic's, or the network's."""
    return name == NETWORK or _NAME.fullmatch(name) is not None


def feed_named(relative: str) -> str:
    """The feed that "clinic/file" says by its name. Raises LeftAside for a file that is none."""
    clinic, _, name = relative.partition("/")
    if not _NAME.fullmatch(name) or not is_clinic_name(clinic):
        raise LeftAside("its name has characters that are refused; rename it.")
    suffix = suffix_of(name)
    if suffix is None:
        raise LeftAside(f"is none of {', '.join(formats())}, so it is left aside.", refused=False)
    stem = name[: -len(suffix)]
    feed = next((f for f in contracts() if stem == f or stem.startswith(f"{f}_")), None)
    if feed is None:
        near = difflib.get_close_matches(stem.split("_")[0], contracts(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"feeds are {', '.join(contracts())}."
        raise LeftAside(
            f"is left aside, since its name is neither <feed>{suffix} nor "
            f"<feed>_anything{suffix}; {hint}"
        )
    return feed


def _shown(name: str) -> str:
    return name if name.isprintable() else name.encode("unicode_escape").decode()


def _ledger(warehouse: Warehouse, settings: Settings) -> dict[str, tuple[int, int]]:
    """Path -> size and time of change of files that need no second look.

    A file whose text could not be kept is read again when its contract, its declared encoding or
    Keel changed.
    """
    now = {feed: held.sha256 for feed, held in contracts().items()}
    rows = warehouse.db.execute(
        "SELECT f.path, f.bytes, f.modified_ns, b.feed, b.contract_sha256, b.keel_version, "
        "b.encoding, b.state = 'blocked' AND b.judged_under IS NULL "
        "FROM ops.files f JOIN ops.batches b USING (batch_no)"
    ).fetchall()
    return {
        path: (size, modified)
        for path, size, modified, feed, sha, version, encoding, unreadable in rows
        if not unreadable
        or (sha, version, encoding)
        == (now[feed], __version__, settings.encoding_of(*path.split("/", 1)))
    }
