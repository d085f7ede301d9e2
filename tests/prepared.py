"""Folders that many tests start from: made once a test session, by whichever process is first."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` fills, which all processes of a test session share.

    What is in it is only to be read: a test that changes something works on `copied`.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / name
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    return folder


def copied(folder: Path, target: Path) -> Path:
    """A copy of its own for a test, files' times and links included; gives `target`."""
    shutil.copytree(folder, target, symlinks=True, dirs_exist_ok=True)
    return target
