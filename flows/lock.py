"""One run at a time: an exclusive lock on a file of our own in the warehouse's folder.

It is taken before anything slow is imported, so that a second run is turned away at once.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.errors import DiskError, KeelError, WarehouseBusy

LOCK = "keel.lock"
_RIGHTS = "give its rights to the user that runs Keel"
_MENDS = dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free the disk")
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


@dataclass(frozen=True)
class Lock:
    """Proof that this run holds a warehouse's folder."""

    folder: Path


@contextmanager
def locked(folder: Path) -> Iterator[Lock]:
    """Hold the folder, which is made when it is not there.

    Raises WarehouseBusy when another run holds it, DiskError when it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise not_writable(folder, error) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WarehouseBusy(
                f"{folder}: another run holds the warehouse{holder(folder)}; wait for it to end, "
                "run again."
            ) from None
        yield Lock(folder)
    finally:
        os.close(handle)


def holder(folder: Path) -> str:
    """The process that holds a folder, in brackets, where the system tells: Linux does."""
    try:
        inode = (folder / LOCK).stat().st_ino
        held = Path("/proc/locks").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(rf"FLOCK +ADVISORY +WRITE +([1-9]\d*) \S+:{inode} ", held)
    return f" (process {found[1]})" if found else ""


def not_writable(folder: Path, error: OSError) -> KeelError:
    """What the system refuses, as one sentence."""
    if error.errno in _DISK:
        return DiskError(
            f"{folder}: {error.strerror}; {_MENDS.get(error.errno or 0, _RIGHTS)}, run again."
        )
    return KeelError(f"{folder}: {error.strerror}; name another folder with --warehouse.")
