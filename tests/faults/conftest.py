"""One prepared network for all faults: what an undisturbed night makes of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.demo import write_network
from tests.faults.marts import mart_hashes
from tests.faults.plain_night import plain_night

STAGES = ("land", "load", "judge", "publish")
FIRST_DAYS = 3


@dataclass(frozen=True)
class Reference:
    """A network (its warehouse knows all of it); in `first` and `second` what a warehouse is before
    its first night, and before a second that brings all but the first days; what the marts are in
    the end, and how long each stage of either night took."""

    folder: Path
    as_of: str
    marts: dict[str, str]
    seconds: dict[str, dict[str, float]]

    def begun(self, folder: Path, night: str) -> None:
        """Put a copy there, to which the first or the second night is still to come; `done`: none
        is."""
        kept = self.folder / night
        shutil.copytree(kept, folder, symlinks=True, copy_function=shutil.copy2)
        shutil.copytree(self.folder / "landing", folder / "landing", copy_function=shutil.copy2,
                        dirs_exist_ok=True)  # fmt: skip


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("reference")
    written = write_network(folder, clinics=2, patients=6, days=16, seed=7)
    as_of = written.as_of.isoformat()
    (folder / "first" / "warehouse").mkdir(parents=True, mode=0o700)
    seconds = {"first": plain_night(folder, as_of).seconds}
    shutil.copy2(folder / "warehouse" / "pseudonym.key", folder / "first" / "warehouse")
    shutil.copytree(folder / "first", folder / "second")
    for path in _of_the_first_days(folder / "landing"):
        target = folder / "second" / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    plain_night(folder / "second", as_of)
    whole = Reference(folder, as_of, mart_hashes(folder), seconds)
    whole.begun(folder / "done", "second")
    seconds["second"] = plain_night(folder / "done", as_of).seconds
    assert mart_hashes(folder / "done") == whole.marts
    shutil.rmtree(folder / "done" / "landing")
    return whole


def _of_the_first_days(landing: Path) -> list[Path]:
    days = sorted({path.stem[-10:] for path in landing.rglob("*.csv")})[:FIRST_DAYS]
    return [path for path in landing.rglob("*.csv") if path.stem[-10:] in days]
