"""The database may take so much memory; a step that needs more says what to do, changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.commands.common import Exit, sentence
from flows.memory import allowance_mb
from flows.progress import Silent
from flows.publish import CURRENT
from flows.settings import load_settings
from flows.warehouse import open_warehouse
from tests.faults.conftest import Reference
from tests.faults.marts import mart_hashes
from tests.faults.plain_night import plain_night


@pytest.mark.parametrize(
    ("file_mb", "allowed_mb"),
    [(None, 1_500), (0, 1_500), (4_500, 1_500), (7_500, 2_500), (50_000, 4_000)],
)
def test_a_larger_database_may_take_more_up_to_a_bound(
    file_mb: int | None, allowed_mb: int, tmp_path: Path
) -> None:
    database = tmp_path / "keel.duckdb"
    if file_mb is not None:
        with database.open("wb") as file:
            file.truncate(file_mb * 1_000_000)
    assert allowance_mb(database) == allowed_mb


def limit(folder: Path, memory_mb: int | None = None) -> str:
    with open_warehouse(folder, memory_mb=memory_mb) as warehouse:
        row = warehouse.db.execute("SELECT current_setting('memory_limit')").fetchone()
    assert row is not None
    return str(row[0])


def test_the_setting_goes_before_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEL_MEMORY_MB", "3000")
    assert load_settings(None, {}).memory_mb == 3_000
    assert limit(tmp_path) == "1.3 GiB"
    assert limit(tmp_path, 3_000) == "2.7 GiB"


class Shrinking(Silent):
    """Leaves the database next to nothing from a stage on."""

    def __init__(self, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._stage, self._monkeypatch = stage, monkeypatch

    def stage(self, name: str, step: int, of: int, what: str) -> None:
        if name == self._stage:
            self._monkeypatch.setattr("flows.memory.LEAST_MB", 8)


@pytest.mark.parametrize("stage", ["load", "judge", "publish"])
def test_a_step_that_needs_more_is_told_with_what_to_set(
    stage: str, reference: Reference, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    reference.begun(work, "second")
    before, marts = (work / "published" / CURRENT).readlink(), mart_hashes(work)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Exception) as failed:
        plain_night(work, reference.as_of, Shrinking(stage, patch))
    words, code = sentence(failed.value)
    assert code == Exit.FAILURE, f"{type(failed.value).__name__}: {words}"
    assert words == (
        f"{work / 'warehouse'}: a step needs more memory than the 8 MB that the database may "
        "take, and nothing of that step was kept; set `memory_mb = 16` in keel.toml, run again."
    )
    assert (work / "published" / CURRENT).readlink() == before
    assert mart_hashes(work) == marts
    assert reference.is_mended(work)
