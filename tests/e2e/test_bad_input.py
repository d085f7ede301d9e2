"""What a user gets wrong: one sentence that names the file and the way out, the right exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import duckdb
import pytest
from click.testing import Result

from tests.commands import cli
from tests.e2e.conftest import Published
from tests.e2e.networks import keel, marts, nightly
from tests.prepared import made_once

SESSIONS = "session_id,patient_id,program,status,extracted_at\n"
CANARY = "Zacharias-Quill"


@pytest.fixture
def network(published: Published, tmp_path: Path) -> tuple[Path, str]:
    """Deliveries that no night has seen, and the instant to judge them at."""
    return tmp_path, published.landing(tmp_path)


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What `keel nightly`, called in this process and folder, complains of with exit code 2."""
    monkeypatch.chdir(tmp_path)

    def complained(*arguments: str | Path) -> str:
        done = cli.keel("nightly", "--plain", *arguments)
        assert done.exit_code == 2
        return complaint(done)

    return complained


def complaint(done: CompletedProcess[str] | Result) -> str:
    """The last line on stderr: one sentence without traceback or patient value."""
    assert "Traceback" not in done.stderr
    assert CANARY not in done.stderr + done.stdout
    return done.stderr.strip().splitlines()[-1]


def test_no_settings_and_no_landing_folder_name_the_folder(tmp_path: Path) -> None:
    done = keel("nightly", "--plain", cwd=tmp_path)
    assert done.returncode == 2
    assert "landing" in complaint(done)
    assert not (tmp_path / "published").exists()


def test_an_empty_landing_folder_is_told(tmp_path: Path, refused: Callable[..., str]) -> None:
    (tmp_path / "landing").mkdir()
    assert "landing" in refused()


def test_a_settings_file_that_is_not_there(refused: Callable[..., str]) -> None:
    assert "other.toml" in refused("--config", "other.toml")


def test_an_unknown_setting_names_the_nearest(tmp_path: Path, refused: Callable[..., str]) -> None:
    (tmp_path / "keel.toml").write_text('landings = "x"\n')
    said = refused()
    assert "keel.toml" in said and "landing" in said


@pytest.mark.usefixtures("network")
def test_an_unknown_feed_option_names_the_nearest(refused: Callable[..., str]) -> None:
    assert "vitals" in refused("--feed", "vital")


@pytest.mark.usefixtures("network")
def test_an_unknown_clinic_option_is_told(refused: Callable[..., str]) -> None:
    assert "atlantis" in refused("--clinic", "atlantis")


def test_a_broken_protocol_file_is_named_with_its_line(
    network: tuple[Path, str], refused: Callable[..., str]
) -> None:
    folder, _ = network
    own = folder / "own"
    own.mkdir()
    (own / "broken.yaml").write_text("protocol: mine\nversion: 1.0.0\nrulez: []\n")
    (folder / "keel.toml").write_text('protocols = ["own"]\n')
    said = refused()
    assert "broken.yaml" in said and "line 3" in said
    assert not (folder / "published").exists()


def _clinic(folder: Path) -> Path:
    return folder / "landing" / "c01"


def _unknown_feed(folder: Path) -> Path:
    path = _clinic(folder) / "sesions_2026-01-01.csv"
    path.write_text(SESSIONS)
    return path


def _unknown_clinic(folder: Path) -> Path:
    path = folder / "landing" / "atlantis" / "sessions_2026-01-01.csv"
    path.parent.mkdir()
    path.write_text(SESSIONS + f"s1,{CANARY},iv_ketamine,completed,2026-01-01T00:00:00Z\n")
    return path


def _missing_column(folder: Path) -> Path:
    path = _clinic(folder) / "sessions_without_column.csv"
    path.write_text(f"session_id,patient,program,status\ns1,{CANARY},iv_ketamine,completed\n")
    return path


def _not_csv(folder: Path) -> Path:
    path = _clinic(folder) / "sessions_no_csv.csv"
    path.write_bytes(b"PK\x03\x04\x00\xff\xfe" + CANARY.encode() + bytes(range(256)))
    return path


def _ragged(folder: Path) -> Path:
    path = _clinic(folder) / "sessions_ragged.csv"
    path.write_text(SESSIONS + f"s1,p1,iv_ketamine,completed,2026-01-01T00:00:00Z,{CANARY}\n")
    return path


def _empty(folder: Path) -> Path:
    path = _clinic(folder) / "sessions_empty.csv"
    path.write_bytes(b"")
    return path


def _no_rows(folder: Path) -> Path:
    path = _clinic(folder) / "sessions_2026-01-01.csv"
    path.write_text(SESSIONS)
    return path


TOLD = "told.json"
BLOCKED = (_unknown_clinic, _missing_column, _not_csv, _ragged, _empty)


@dataclass(frozen=True)
class Spoilt:
    """A network with a file of every bad kind and one without rows, after its night.

    The files by their clinic and name; what the night said.
    """

    folder: Path
    exit_code: int
    said: str
    blocked: list[str]
    unknown: str
    without_rows: str


@pytest.fixture(scope="module")
def spoilt(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Spoilt:
    folder = made_once(tmp_path_factory, "spoilt", partial(_spoil, published))
    return Spoilt(folder, **json.loads((folder / TOLD).read_text()))


def _spoil(published: Published, folder: Path) -> None:
    as_of = published.landing(folder)
    files = [spoil(folder) for spoil in (*BLOCKED, _unknown_feed, _no_rows)]
    *blocked, unknown, without_rows = [f"{path.parent.name}/{path.name}" for path in files]
    done = cli.keel(*nightly(folder, as_of))
    told = {
        "exit_code": done.exit_code, "said": done.stdout + done.stderr,
        "blocked": blocked, "unknown": unknown, "without_rows": without_rows,
    }  # fmt: skip
    (folder / TOLD).write_text(json.dumps(told))


def test_bad_files_are_blocked_and_the_rest_is_published(
    spoilt: Spoilt, published: Published
) -> None:
    assert spoilt.exit_code == 5, spoilt.said
    assert CANARY not in spoilt.said and "Traceback" not in spoilt.said
    for name in spoilt.blocked:
        (line,) = [line for line in spoilt.said.splitlines() if name in line]
        assert "blocked" in line and "mend" in line
    assert sizes(spoilt.folder) == sizes(published.folder)


def sizes(folder: Path) -> dict[str, int]:
    return {name: len(rows) for name, rows in marts(folder).items()}


def test_an_unknown_feed_is_told_and_a_file_without_rows_is_a_delivery(spoilt: Spoilt) -> None:
    (line,) = [line for line in spoilt.said.splitlines() if spoilt.unknown in line]
    assert "did you mean sessions?" in line
    with duckdb.connect(str(spoilt.folder / "warehouse" / "keel.duckdb"), read_only=True) as db:
        found = db.execute(
            "SELECT state, rows FROM ops.batches WHERE path = ?",
            [spoilt.without_rows],
        ).fetchall()
    assert found == [("accepted", 0)]


def test_a_second_run_at_the_same_time_is_turned_away(network: tuple[Path, str]) -> None:
    from flows.warehouse import open_warehouse

    with open_warehouse(network[0] / "warehouse"):
        done = keel(*nightly(*network))
    assert done.returncode == 3
    assert "another run" in complaint(done)
