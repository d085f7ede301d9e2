"""What a user gets wrong: one sentence that names the file and the way out, the right exit code."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.e2e.networks import keel, marts, nightly, small_network

SESSIONS = "session_id,patient_id,program,status,extracted_at\n"
CANARY = "Zacharias-Quill"


@pytest.fixture
def network(tmp_path: Path) -> tuple[Path, str]:
    return tmp_path, small_network(tmp_path)


def run(folder: Path, as_of: str, *more: str) -> CompletedProcess[str]:
    return keel(*nightly(folder, as_of, *more), cwd=folder)


def complaint(done: CompletedProcess[str]) -> str:
    """The last line on stderr: one sentence without traceback or patient value."""
    assert "Traceback" not in done.stderr
    assert CANARY not in done.stderr + done.stdout
    return done.stderr.strip().splitlines()[-1]


def test_no_settings_and_no_landing_folder_name_the_folder(tmp_path: Path) -> None:
    done = keel("nightly", "--plain", cwd=tmp_path)
    assert done.returncode == 2
    assert "landing" in complaint(done)
    assert not (tmp_path / "published").exists()


def test_an_empty_landing_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    done = keel("nightly", "--plain", cwd=tmp_path)
    assert done.returncode == 2
    assert "landing" in complaint(done)


def test_a_settings_file_that_is_not_there(tmp_path: Path) -> None:
    done = keel("nightly", "--plain", "--config", "other.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "other.toml" in complaint(done)


def test_an_unknown_setting_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "keel.toml").write_text('landings = "x"\n')
    done = keel("nightly", "--plain", cwd=tmp_path)
    assert done.returncode == 2
    assert "keel.toml" in complaint(done) and "landing" in complaint(done)


def test_an_unknown_feed_option_names_the_nearest(network: tuple[Path, str]) -> None:
    done = run(*network, "--feed", "vital")
    assert done.returncode == 2
    assert "vitals" in complaint(done)


def test_an_unknown_clinic_option_is_told(network: tuple[Path, str]) -> None:
    done = run(*network, "--clinic", "atlantis")
    assert done.returncode == 2
    assert "atlantis" in complaint(done)


def test_a_broken_protocol_file_is_named_with_its_line(network: tuple[Path, str]) -> None:
    folder, as_of = network
    own = folder / "own"
    own.mkdir()
    (own / "broken.yaml").write_text("protocol: mine\nversion: 1.0.0\nrulez: []\n")
    (folder / "keel.toml").write_text('protocols = ["own"]\n')
    done = run(folder, as_of)
    assert done.returncode == 2
    assert "broken.yaml" in complaint(done) and "line 3" in complaint(done)
    assert not (folder / "published").exists()


def _first_clinic(folder: Path) -> Path:
    return next(
        path for path in sorted((folder / "landing").iterdir()) if not path.name.startswith("_")
    )


def _unknown_feed(folder: Path) -> Path:
    path = _first_clinic(folder) / "sesions_2026-01-01.csv"
    path.write_text(SESSIONS)
    return path


def _unknown_clinic(folder: Path) -> Path:
    path = folder / "landing" / "atlantis" / "sessions_2026-01-01.csv"
    path.parent.mkdir()
    path.write_text(SESSIONS + f"s1,{CANARY},iv_ketamine,completed,2026-01-01T00:00:00Z\n")
    return path


def _missing_column(folder: Path) -> Path:
    path = _first_clinic(folder) / "sessions_without_column.csv"
    path.write_text(f"session_id,patient,program,status\ns1,{CANARY},iv_ketamine,completed\n")
    return path


def _not_csv(folder: Path) -> Path:
    path = _first_clinic(folder) / "sessions_no_csv.csv"
    path.write_bytes(b"PK\x03\x04\x00\xff\xfe" + CANARY.encode() + bytes(range(256)))
    return path


def _ragged(folder: Path) -> Path:
    path = _first_clinic(folder) / "sessions_ragged.csv"
    path.write_text(SESSIONS + f"s1,p1,iv_ketamine,completed,2026-01-01T00:00:00Z,{CANARY}\n")
    return path


def _empty(folder: Path) -> Path:
    path = _first_clinic(folder) / "sessions_empty.csv"
    path.write_bytes(b"")
    return path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Sizes of a network's marts when nothing is wrong."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run(folder, small_network(folder)).returncode == 0
    return {name: len(rows) for name, rows in marts(folder).items()}


def test_bad_files_are_blocked_and_the_rest_is_published(
    tmp_path: Path, undisturbed: dict[str, int]
) -> None:
    as_of = small_network(tmp_path)
    spoilt = (_unknown_clinic, _missing_column, _not_csv, _ragged, _empty)
    paths = [spoil(tmp_path) for spoil in spoilt]
    done = run(tmp_path, as_of)
    assert done.returncode == 5, done.stderr
    said = done.stdout + done.stderr
    assert CANARY not in said and "Traceback" not in said
    for path in paths:
        (line,) = [line for line in said.splitlines() if f"{path.parent.name}/{path.name}" in line]
        assert "blocked" in line and "mend" in line
    assert {name: len(rows) for name, rows in marts(tmp_path).items()} == undisturbed


def test_an_unknown_feed_is_told_and_a_file_without_rows_is_a_delivery(tmp_path: Path) -> None:
    as_of = small_network(tmp_path)
    path = _unknown_feed(tmp_path)
    (_first_clinic(tmp_path) / "sessions_2026-01-01.csv").write_text(SESSIONS)
    done = run(tmp_path, as_of)
    assert done.returncode == 5, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if path.name in line]
    assert "did you mean sessions?" in line
    assert (tmp_path / "published" / "current").exists()


def test_a_second_run_at_the_same_time_is_turned_away(tmp_path: Path) -> None:
    from flows.warehouse import open_warehouse

    as_of = small_network(tmp_path)
    with open_warehouse(tmp_path / "warehouse"):
        done = run(tmp_path, as_of)
    assert done.returncode == 3
    assert "another run" in complaint(done)
