"""A second night over the same deliveries loads nothing and changes nothing; bounds count twice."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.networks import keel, marts, nightly, small_network


def test_a_second_night_loads_nothing_and_changes_nothing(tmp_path: Path) -> None:
    as_of = small_network(tmp_path)
    assert keel(*nightly(tmp_path, as_of)).returncode == 0
    first = marts(tmp_path)
    verdicts = _verdict_bytes(tmp_path)
    done = keel(*nightly(tmp_path, as_of, "--json"))
    told = json.loads(done.stdout)
    assert sum(told["rows"].values()) == 0
    assert sum(told["batches"].values()) == 0
    assert marts(tmp_path) == first
    assert _verdict_bytes(tmp_path) == verdicts
    runs = [path for path in (tmp_path / "published").iterdir() if not path.is_symlink()]
    assert len(runs) == 2


def test_nothing_that_is_published_names_a_patient(tmp_path: Path) -> None:
    as_of = small_network(tmp_path)
    (patients,) = (tmp_path / "landing").glob("c01/patients_2026-10-25.csv")
    lines = patients.read_text().splitlines()
    header = lines[0].split(",")
    cells = dict(zip(header, lines[1].split(","), strict=True))
    canary = "Quillfeather"
    patients.write_text(patients.read_text().replace(cells["family_name"], canary))
    done = keel(*nightly(tmp_path, as_of))
    assert done.returncode == 0, done.stderr
    hidden = [canary, cells["patient_id"], cells["phone"], cells["birth_date"]]
    for path in (tmp_path / "published").rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            assert not [text for text in hidden if text.encode() in held], path
            assert path.stat().st_mode & 0o077 == 0, path
    assert not [text for text in hidden if text in done.stdout + done.stderr]


def _verdict_bytes(folder: Path) -> dict[str, bytes]:
    root = folder / "published" / "current" / "verdicts"
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*.parquet"))}
