"""A warehouse as one archive, and back: the database, the raw deliveries (with what is left
of those purged) and the key of the pseudonyms.

The archive is a gzipped tar. Its first member, `manifest.json`, has the SHA-256 and size of every
other; nothing else, and nothing of another kind, is taken out of it again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from flows import __version__
from flows.aside import private_files
from flows.audit import append
from flows.errors import DiskError, KeelError, UsageError
from flows.lock import locked, not_writable
from flows.pseudonyms import KEY_FILE
from flows.raw_damage import damage_words, damaged_files
from flows.sources.examined import ANYWAY, MOST_TIMES
from flows.warehouse import DATABASE, Warehouse, open_warehouse

MANIFEST = "manifest.json"
LONGEST_MANIFEST = 200_000_000
_NAME = r"[A-Za-z0-9_][A-Za-z0-9 ._+@=()-]*"
_MEMBER = re.compile(
    rf"{re.escape(DATABASE)}|{re.escape(KEY_FILE)}|raw/purged\.parquet"
    rf"|raw/{_NAME}/[a-z]+/b[0-9a-f]{{12}}\.(parquet|withdrawn)"
)
_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Archived:
    """An archive, how many deliveries are in it, and its files' bytes; `notes` are what was mended
    when the warehouse was opened, and which raw files are damaged."""

    archive: str
    warehouse: str
    deliveries: int
    bytes: int
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "notes": list(self.notes)}


def backup(folder: Path, archive: Path) -> Archived:
    """Write a warehouse that nobody else can open meanwhile to an archive of its owner's alone.

    Raises UsageError when there is no warehouse, or something lies at `archive`; WarehouseBusy;
    DiskError.
    """
    if not (folder / DATABASE).exists():
        raise UsageError(f"{folder}: no warehouse is there; name it with --warehouse.")
    if archive.exists() or archive.is_symlink():
        raise UsageError(f"{archive}: is there already; name another file.")
    if archive.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{archive}: lies in the warehouse itself; name a file elsewhere.")
    with locked(folder) as lock:
        with open_warehouse(folder, lock) as warehouse:
            append(warehouse, "backup", None, "done")
            notes = _notes(warehouse)
        # Only now: who reads a database's bytes while it is open loses its lock.
        listed = {name: _described(folder / name) for name in _members(folder)}
        with _writable(archive.parent), _aside(archive) as temporary:
            _pack(temporary, folder, listed)
    return _archived(archive, folder, listed, notes)


def restore(archive: Path, folder: Path) -> Archived:
    """Make a warehouse of an archive: all of it, or none of it is there.

    Raises UsageError when `folder` is not empty or there is no archive; KeelError for an archive
    that is damaged or holds what no backup has; DiskError.
    """
    if not archive.is_file():
        raise UsageError(f"{archive}: no such file; name a file that `keel backup` wrote.")
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UsageError(f"{folder}: is not empty; name another folder with --warehouse.")
    target = folder.absolute()
    temporary = target.with_name(f".{target.name}.restored-{os.getpid()}")
    with _writable(target.parent), private_files():
        temporary.mkdir(parents=True)
        try:
            with _explained(archive):
                listed = _unpack(archive, temporary)
            with open_warehouse(temporary) as warehouse:
                append(warehouse, "restore", None, "done")
                notes = _notes(warehouse)
            temporary.rename(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return _archived(archive, folder, listed, notes)


def _notes(warehouse: Warehouse) -> tuple[str, ...]:
    """What was mended, and which raw files were damaged before they were put into an archive."""
    return *warehouse.notes, *map(damage_words, damaged_files(warehouse))


def _archived(
    archive: Path, folder: Path, listed: Mapping[str, Mapping[str, Any]], notes: tuple[str, ...]
) -> Archived:
    deliveries = sum(name.count("/") == 3 and name.endswith(".parquet") for name in listed)
    total = sum(int(one["bytes"]) for one in listed.values())
    return Archived(str(archive), str(folder), deliveries, total, notes)


def _members(folder: Path) -> list[str]:
    found = [*folder.glob("raw/*"), *folder.glob("raw/*/*/*")]
    names = [path.relative_to(folder).as_posix() for path in found]
    kept = [name for name in (DATABASE, KEY_FILE, *sorted(names)) if _MEMBER.fullmatch(name)]
    return [name for name in kept if (folder / name).is_file()]


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": file.tell()}


def _pack(temporary: Path, folder: Path, listed: Mapping[str, Mapping[str, Any]]) -> None:
    about = {"keel": __version__, "made_at": datetime.now(UTC).isoformat(), "files": listed}
    text = json.dumps(about, indent=1).encode()
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
            tar.addfile(_header(MANIFEST, len(text)), io.BytesIO(text))
            for name, one in listed.items():
                with (folder / name).open("rb") as member:
                    tar.addfile(_header(name, one["bytes"]), member)
        file.flush()
        os.fsync(file.fileno())


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o600
    return header


@contextmanager
def _aside(target: Path) -> Iterator[Path]:
    """A name beside the target that becomes it, or is gone."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.rename(target)
    finally:
        temporary.unlink(missing_ok=True)


def _unpack(archive: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """Every file that the manifest lists, each checked as it comes; gives the list."""
    with tarfile.open(archive, "r:gz") as tar:
        listed = _manifest(tar, archive.stat().st_size, folder)
        left = dict(listed)
        for member in tar:
            if member.name == MANIFEST and len(left) == len(listed):
                continue
            one = left.pop(member.name, None)
            source = tar.extractfile(member) if member.isreg() else None
            if one is None or source is None or member.size != one["bytes"]:
                raise ValueError("it holds a file that its manifest does not list so")
            if _copy(source, folder / member.name) != one["sha256"]:
                raise ValueError("a file in it is not what was put there")
    if left or DATABASE not in listed:
        raise ValueError("a file that its manifest lists is not in it")
    return listed


def _manifest(tar: tarfile.TarFile, packed: int, folder: Path) -> dict[str, dict[str, Any]]:
    first = tar.next()
    source = tar.extractfile(first) if first is not None and first.isreg() else None
    if first is None or source is None or first.name != MANIFEST or first.size > LONGEST_MANIFEST:
        raise ValueError("it does not begin with a manifest")
    listed: dict[str, dict[str, Any]] = json.loads(source.read())["files"]
    if not all(_MEMBER.fullmatch(name) and ".." not in name.split("/") for name in listed):
        raise ValueError("its manifest lists what no warehouse holds")
    total = sum(abs(int(one["bytes"])) for one in listed.values())
    if total > ANYWAY and total > MOST_TIMES * packed:
        raise ValueError("it unpacks to far more than a backup does")
    if total > shutil.disk_usage(folder).free:
        raise DiskError(f"{folder.parent}: has no room for {total:,} bytes; free the disk.")
    return listed


def _copy(source: IO[bytes], target: Path) -> str:
    """Write a member; gives its SHA-256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        while part := source.read(_AT_ONCE):
            digest.update(part)
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


@contextmanager
def _explained(archive: Path) -> Iterator[None]:
    """What is wrong with an archive, as one sentence."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        why = str(error) if type(error) is ValueError else "it cannot be read to its end"
        raise KeelError(
            f"{archive}: is no whole backup of Keel: {why}; nothing was restored, take another."
        ) from None


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise not_writable(folder, error) from None
