"""Every `keel` command that README and docs show is run, on a network that has what they name.

Those of the tutorial and of the how-tos on protocols and on foreign exports have tests of their own
(see `test_commands.py`); `keel schedule` serves until it is stopped, and is only parsed.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.commands.common import Exit
from flows.warehouse import DATABASE, read_warehouse
from tests.commands.cli import keel
from tests.docs.test_commands import SHOWN
from tests.publish.nights import Nights, plain_nights

ELSEWHERE = ("tutorial.md", "write-a-protocol.md", "foreign-exports.md")
SERVES = "keel schedule"
ENDS_OTHERWISE = {
    "keel alive --within 1s": Exit.FAILURE,
    "keel batch retry b72643e231579": Exit.BLOCKED,  # nobody has mended it here
}


def lines() -> Iterator[str]:
    """Each once, in the order of the pages."""
    shown = (" ".join(shlex.split(line, comments=True)).removeprefix(".venv/bin/")
             for path, line in SHOWN if path.name not in ELSEWHERE)  # fmt: skip
    yield from dict.fromkeys(line for line in shown if line.startswith("keel ") and line != SERVES)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A clinic `harbor` that has delivered, a file that is blocked, exports to be checked."""
    nights = Nights(tmp_path)
    nights.deliver("_network/clinics_2026-01-02.csv",
                   "clinic_id,name,time_zone\nharbor,Harbor Clinic,America/New_York\n")  # fmt: skip
    nights.sessions("harbor/2026-03-09", nights.session("s1", clinic="harbor", day="2026-03-09"))
    vital = {"vital_id": "v1", "session_id": "s1", "measured_at": "2026-03-09T10:05"}
    nights.rows("harbor/vitals_2026-03-09.csv", [vital])
    shutil.copytree(tmp_path / "landing" / "harbor", tmp_path / "exports")
    nights.deliver("north/sessions_wrong.csv", "session\ns1\n")
    (tmp_path / "keel.toml").write_text("retention_days = 3650\n")
    monkeypatch.chdir(tmp_path)
    with plain_nights():
        first = keel("nightly", "--plain")
        assert first.exit_code == Exit.BLOCKED, first.output
        yield tmp_path


def as_named_here(place: Path, line: str) -> str:
    """The line with folders and deliveries of this place instead of the reader's."""
    with read_warehouse(place / "warehouse") as warehouse:
        batches = dict(warehouse.db.execute("SELECT path, batch_id FROM ops.batches").fetchall())
    here = {
        "/srv/keel/keel.toml": "keel.toml",
        "/backups/": "",
        "/srv/keel/warehouse": "restored",
        "/srv/exports/": "landing/",
        "b799875903d0c": batches["harbor/vitals_2026-03-09.csv"],
        "b72643e231579": batches["north/sessions_wrong.csv"],
    }
    for theirs, ours in here.items():
        line = line.replace(theirs, ours)
    return re.sub(r"^keel nightly$", "keel nightly --plain", line)


def test_what_is_shown_does_what_it_says(place: Path) -> None:
    ran = []
    for line in lines():
        done = keel(*shlex.split(as_named_here(place, line))[1:])
        assert done.exit_code == ENDS_OTHERWISE.get(line, Exit.DONE), f"{line}\n{done.output}"
        ran.append(line)
    assert len(ran) > 20
    assert (place / "restored" / DATABASE).exists()
