"""A second night over the same deliveries loads nothing and changes nothing; bounds count twice."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.conftest import FAMILY_NAME, Published, patient
from tests.e2e.networks import keel, marts, nightly
from tests.prepared import copied


def test_a_second_night_loads_nothing_and_changes_nothing(
    published: Published, tmp_path: Path
) -> None:
    copied(published.folder, tmp_path)
    done = keel(*nightly(tmp_path, published.as_of, "--json"))
    told = json.loads(done.stdout)
    assert sum(told["rows"].values()) == 0
    assert sum(told["batches"].values()) == 0
    assert marts(tmp_path) == marts(published.folder)
    assert _verdict_bytes(tmp_path) == _verdict_bytes(published.folder)
    runs = [path for path in (tmp_path / "published").iterdir() if not path.is_symlink()]
    assert len(runs) == 2


def test_nothing_that_is_published_names_a_patient(published: Published) -> None:
    cells = patient(published.folder)
    assert cells["family_name"] == FAMILY_NAME
    hidden = [cells[name] for name in ("family_name", "patient_id", "phone", "birth_date")]
    assert all(hidden)
    for path in (published.folder / "published").rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            assert not [text for text in hidden if text.encode() in held], path
            assert path.stat().st_mode & 0o077 == 0, path
    assert not [text for text in hidden if text in published.said]


def _verdict_bytes(folder: Path) -> dict[str, bytes]:
    root = folder / "published" / "current" / "verdicts"
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*.parquet"))}
