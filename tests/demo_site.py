"""One published demo network of two nights, whose site all tests of the report share.

Some of it is hostile: a clinic's name and a session's id hold markup, quotes, SQL and a path.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from flows.demo import write_network
from flows.night import open_night
from flows.settings import load_settings
from flows.story import plainly, tell
from tests.prepared import made_once

HOSTILE_NAME = '<script>alert(1)</script> "O\'Neil" & 🌙'
HOSTILE_SESSION = "../../x\"><img src=1>'; DROP TABLE s;--🌙"
_SESSION = "c02-s000003"


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of published runs."""
    return made_once(tmp_path_factory, "demo-site", _make) / "published"


def _make(folder: Path) -> None:
    written = write_network(folder, clinics=3, patients=24, days=60, seed=7, truth=False)
    _make_hostile(folder / "landing")
    for as_of in (written.as_of - timedelta(days=1), written.as_of):
        settings = load_settings(
            None,
            {"landing": folder / "landing", "warehouse": folder / "warehouse",
             "publish": folder / "published", "as_of": as_of},
        )  # fmt: skip
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("flows.load.validate", lambda *_: [])
            patch.setattr("flows.publish._write_report", _pages_only)
            with open_night(settings) as night:
                tell(night, plainly)


def _pages_only(db: duckdb.DuckDBPyConnection, folder: Path) -> None:
    from flows.reports.html import write_html
    from flows.reports.rates import prepare

    prepare(db)
    write_html(db, folder)


def _make_hostile(landing: Path) -> None:
    for path in landing.rglob("*.csv"):
        text = path.read_text(encoding="utf-8")
        text = text.replace(_SESSION, _cell(HOSTILE_SESSION))
        if path.name.startswith("clinics"):
            lines = text.splitlines()
            at = lines[0].split(",").index("name")
            cells = lines[2].split(",")
            cells[at] = _cell(HOSTILE_NAME)
            text = "\n".join([*lines[:2], ",".join(cells), *lines[3:], ""])
        path.write_text(text, encoding="utf-8")


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
