"""A purge killed at any of its moments, by a real SIGKILL, is finished by the next one."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.pseudonyms import KEY_FILE
from tests.privacy.test_purge import apply, left, network
from tests.publish.nights import Nights, plain_nights

STEPS = ("add_tombstones", "_rewrite", "_erase", "enter", "_compact", "sync")
MOMENTS = [(step, when) for step in STEPS for when in ("before", "after")]


@pytest.fixture(autouse=True)
def _plain() -> Iterator[None]:
    with plain_nights():
        yield


@pytest.fixture(scope="module")
def purged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Nights, dict[str, Any]]:
    """A network with somebody who must go, published, and the marts of one that never had them."""
    with plain_nights():
        never = network(tmp_path_factory.mktemp("never"), with_old=False)
        never.publish()
        nights = network(tmp_path_factory.mktemp("old"), with_old=True)
        nights.settings.warehouse.mkdir(mode=0o700)
        shutil.copy2(never.settings.warehouse / KEY_FILE, nights.settings.warehouse)
        nights.publish()
    return nights, never.marts()


@pytest.mark.long
@pytest.mark.parametrize(("step", "when"), [*MOMENTS, ("_earlier_runs", "before")])
def test_one_that_is_killed_is_finished_by_the_next(
    purged: tuple[Nights, dict[str, Any]], tmp_path: Path, step: str, when: str
) -> None:
    published, marts = purged
    folder = tmp_path / "copy"
    shutil.copytree(published.folder, folder, symlinks=True)
    killed = subprocess.run(
        [sys.executable, "-m", "tests.privacy.killed_purge", folder, step, when], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    nights = network(folder, with_old=True)
    assert (nights.settings.warehouse / "purge.pending").exists()
    apply(nights)
    assert left(nights) == []
    assert nights.marts() == marts
    assert not (nights.settings.warehouse / "purge.pending").exists()
