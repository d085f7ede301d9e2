"""The disk fills up in a stage: exit 4, the old run stays published, the next night mends all."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.commands.common import Exit, sentence
from flows.progress import Silent
from flows.publish import CURRENT
from tests.faults.conftest import Reference
from tests.faults.marts import mart_hashes
from tests.faults.plain_night import plain_night

BYTES = 400_000_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={BYTES}", "tmpfs", folder],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


class Filling(Silent):
    """Fills the disk when a stage begins, but for so many bytes."""

    def __init__(self, stage: str, disk: Path, left: int) -> None:
        self._stage, self._left = stage, left
        self.ballast = disk / "ballast"

    def stage(self, name: str, step: int, of: int, what: str) -> None:
        if name == self._stage and not self.ballast.exists():
            fill(self.ballast, self._left)


def fill(ballast: Path, left: int) -> None:
    with ballast.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                size = size if file.write(b"\0" * size) == size else size // 2
            except OSError as error:
                assert error.errno == errno.ENOSPC
                size //= 2
        file.truncate(max(0, file.tell() - left))


def full_at(stage: str, left: int, reference: Reference, disk: Path) -> None:
    work = disk / "work"
    reference.begun(work, "second")
    before = (work / "published" / CURRENT).readlink()
    marts = mart_hashes(work)
    filling = Filling(stage, disk, left)
    with pytest.raises(Exception) as failed:
        plain_night(work, reference.as_of, filling)
    words, code = sentence(failed.value)
    assert code == Exit.DISK, f"{type(failed.value).__name__}: {words}"
    filling.ballast.unlink()
    assert (work / "published" / CURRENT).readlink() == before
    assert mart_hashes(work) == marts
    assert reference.is_mended(work)


@pytest.mark.parametrize(
    "stage",
    ["load", "publish", *(pytest.param(s, marks=pytest.mark.long) for s in ("land", "judge"))],
)
def test_a_full_disk_is_exit_4_and_the_old_run_stays(
    stage: str, reference: Reference, disk: Path
) -> None:
    full_at(stage, 0, reference, disk)


@pytest.mark.long
@pytest.mark.parametrize("left", [4_096, 65_536, 300_000])
@pytest.mark.parametrize("stage", ["land", "load", "publish"])
def test_a_disk_that_fills_up_within_a_stage(
    stage: str, left: int, reference: Reference, disk: Path
) -> None:
    full_at(stage, left, reference, disk)
