"""One run at a time: an exclusive lock on a file of our own in the warehouse's folder.

It is taken before anything slow is imported, so that a second run is turned away at once.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.errors import DiskError, KeelError, WarehouseBusy

LOCK = "keel.lock"
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
                f"{folder}: another run holds the warehouse; wait for it to end, run again."
            ) from None
        yield Lock(folder)
    finally:
        os.close(handle)


def not_writable(folder: Path, error: OSError) -> KeelError:
    """What the system refuses, as one sentence."""
    if error.errno in _DISK:
        return DiskError(
            f"{folder}: {error.strerror}; free the disk or mend its rights, run again."
        )
    return KeelError(f"{folder}: {error.strerror}; name another folder with --warehouse.")
