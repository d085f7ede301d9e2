"""One prepared network for all faults: what an undisturbed night makes of it.

A small protocol of every kind judges it, not the library, whose protocols are of the same kinds.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.demo import write_network
from tests.comparison import RULES
from tests.faults.marts import mart_hashes
from tests.faults.plain_night import plain_night
from tests.prepared import copied, made_once
from tests.publish.nights import plain_nights

STAGES = ("land", "load", "judge", "publish")
FIRST_DAYS = 3
TOLD = "reference.json"
JUDGING = (
    "cadence", "change", "dispenses", "elapsed", "measures", "occurrence", "outcomes", "response",
    "value", "versions-1", "versions-2", "versions-3",
)  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """A network (its warehouse knows all of it); in `first` and `second` what a warehouse is before
    its first night, and before a second that brings all but the first days; in `done`, when none is
    to come. What the marts are in the end, and how long each stage of either night took."""

    folder: Path
    as_of: str
    marts: dict[str, str]
    seconds: dict[str, dict[str, float]]

    def begun(self, folder: Path, night: str) -> None:
        """Put a copy there, to which the first or the second night is still to come, or none."""
        copied(self.folder / night, folder)
        self.delivered(folder)

    def delivered(self, folder: Path) -> None:
        """Put there what is delivered, and what judges it."""
        for part in ("landing", "protocols"):
            copied(self.folder / part, folder / part)

    def is_mended(self, folder: Path) -> bool:
        """Whether one more night, without the report, ends with the marts of this one."""
        with plain_nights():
            plain_night(folder, self.as_of)
        return mart_hashes(folder) == self.marts


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = made_once(tmp_path_factory, "reference", _make)
    return Reference(folder, **json.loads((folder / TOLD).read_text()))


def _make(folder: Path) -> None:
    written = write_network(folder, clinics=2, patients=6, days=16, seed=7)
    as_of = written.as_of.isoformat()
    (folder / "protocols").mkdir()
    for name in JUDGING:
        shutil.copy2(RULES / f"{name}.yaml", folder / "protocols")
    (folder / "first" / "warehouse").mkdir(parents=True, mode=0o700)
    seconds = {"first": plain_night(folder, as_of).seconds}
    marts = mart_hashes(folder)
    shutil.copy2(folder / "warehouse" / "pseudonym.key", folder / "first" / "warehouse")
    copied(folder / "first", folder / "second")
    for path in _of_the_first_days(folder / "landing"):
        target = folder / "second" / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    copied(folder / "protocols", folder / "second" / "protocols")
    with plain_nights():
        plain_night(folder / "second", as_of)
    copied(folder / "second", folder / "done")
    copied(folder / "landing", folder / "done" / "landing")
    seconds["second"] = plain_night(folder / "done", as_of).seconds
    assert mart_hashes(folder / "done") == marts
    shutil.rmtree(folder / "done" / "landing")
    told = {"as_of": as_of, "marts": marts, "seconds": seconds}
    (folder / TOLD).write_text(json.dumps(told))


def _of_the_first_days(landing: Path) -> list[Path]:
    days = sorted({path.stem[-10:] for path in landing.rglob("*.csv")})[:FIRST_DAYS]
    return [path for path in landing.rglob("*.csv") if path.stem[-10:] in days]
