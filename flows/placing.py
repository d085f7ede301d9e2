"""Where a night would find the files that somebody wants checked: each as a delivery of a clinic.

A file lies in a clinic's folder when that folder stands beside `_network`, or in the landing
folder. Any other is taken for one of a clinic that is only assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from checks.contract import contract
from flows.errors import UsageError
from flows.landing import Delivery, LeftAside, feed_named, is_clinic_name
from flows.lock import LOCK
from flows.publish import RESULTS
from flows.raw import NETWORK
from flows.settings import Settings

ASSUMED = "assumed clinic"


@dataclass(frozen=True)
class Placed:
    """Deliveries to be checked, those that only say what they may refer to, and (path, why) of
    files that a night would leave aside; `refused` are the data files among these. A delivery's
    name is its path as the user wrote it."""

    deliveries: tuple[Delivery, ...]
    context: tuple[Delivery, ...]
    aside: tuple[tuple[str, str], ...]
    refused: int


def place(paths: Sequence[Path], settings: Settings, clinic: str | None) -> Placed:
    """Files, and all those of folders, as a night would find them; `clinic` says whose they are.

    Raises UsageError for a path that is not there, or when there is nothing to check.
    """
    if clinic is not None and not is_clinic_name(clinic):
        raise UsageError("--clinic: is no name that a clinic's folder may have.")
    deliveries: dict[Path, Delivery] = {}
    aside: list[tuple[str, str]] = []
    refused = 0
    for shown in (file for path in paths for file in _files(path)):
        named = shown in paths
        try:
            delivery = _delivery(shown, settings, clinic)
            deliveries.setdefault(delivery.path, delivery)
        except LeftAside as problem:
            aside.append((_printable(shown), str(problem)))
            refused += problem.refused or named
    if not deliveries and not aside:
        raise UsageError(f"{paths[0]}: no export is there; name files or folders of exports.")
    known = [
        item for item in _context(deliveries.values(), settings) if item.path not in deliveries
    ]
    return Placed(tuple(deliveries.values()), tuple(known), tuple(aside), refused)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(_exports(path))
    if not path.exists():
        link = "is a link to nothing" if path.is_symlink() else "there is no such file"
        raise UsageError(f"{_printable(path)}: {link}; check the name.")
    return [path]


def _exports(folder: Path) -> Iterator[Path]:
    """Files of a folder, without hidden ones and those that Keel itself has written."""
    if any((folder / name).exists() for name in (LOCK, RESULTS)):
        return
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _exports(entry)
        else:
            yield entry


def _delivery(shown: Path, settings: Settings, clinic: str | None) -> Delivery:
    file = shown.absolute()
    if not file.is_file():
        raise LeftAside("is no plain file, so it is left aside.", refused=False)
    home = None if clinic else _home(file, settings)
    if home is None:
        if not clinic and _is_landing(file.parent, settings):
            why = "lies beside the clinics' folders; put it into one of them."
            raise LeftAside(why, refused=False)
        file = file.resolve()
    elif file.is_symlink() or file.parent.is_symlink():
        why = "is a link or lies behind one, which a night leaves aside; put the file itself there."
        raise LeftAside(why, refused=False)
    elif home != file.parent:
        raise LeftAside(f"lies deeper than {home}, where a night looks.", refused=False)
    holder = clinic or (home.name if home else ASSUMED)
    feed = feed_named(f"{holder}/{shown.name}")
    if home is None and not clinic and feed == "clinics":
        holder = NETWORK
    return _as_delivery(holder, feed, file, _printable(shown))


def _home(file: Path, settings: Settings) -> Path | None:
    """The clinic's folder that a file lies in, at whatever depth."""
    return next((f for f in file.parents if _is_landing(f.parent, settings)), None)


def _is_landing(folder: Path, settings: Settings) -> bool:
    return (folder / NETWORK).is_dir() or folder == settings.landing.absolute()


def _context(checked: Iterable[Delivery], settings: Settings) -> list[Delivery]:
    """Clinics files of the landing folders, and what the checked feeds refer to, beside them."""
    roots, wanted = {settings.landing.absolute()}, set()
    for item in checked:
        if _home(item.path, settings) == item.path.parent:
            roots.add(item.path.parent.parent)
            wanted |= {(item.path.parent, feed) for feed in referred(item.feed)}
            wanted |= {(item.path.parent.parent / NETWORK, feed) for feed in referred(item.feed)}
    for root in roots:
        folders = root.iterdir() if root.is_dir() else ()
        wanted |= {(folder, "clinics") for folder in folders if folder.is_dir()}
    found = []
    for folder, feed in sorted(wanted):
        for file in sorted(folder.glob(f"{feed}*")) if folder.is_dir() else ():
            if file.is_file() and not file.is_symlink() and _names(folder.name, file, feed):
                found.append(_as_delivery(folder.name, feed, file, str(file)))
    return found


def _names(clinic: str, file: Path, feed: str) -> bool:
    try:
        return feed_named(f"{clinic}/{file.name}") == feed
    except LeftAside:
        return False


def referred(feed: str) -> set[str]:
    """The feeds that a feed's columns refer to, without itself."""
    columns = contract(feed).columns
    return {column.references[0] for column in columns if column.references} - {feed}


def _as_delivery(clinic: str, feed: str, file: Path, name: str) -> Delivery:
    status = file.stat()
    return Delivery(clinic, feed, file, name, status.st_size, status.st_mtime_ns)


def _printable(path: Path) -> str:
    name = str(path)
    return name if name.isprintable() else name.encode("unicode_escape").decode()
