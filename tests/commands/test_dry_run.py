"""`keel nightly --dry-run`: says what a night would do, and writes nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.commands.cli import keel, snapshot
from tests.load.network import AS_OF
from tests.publish.nights import INFUSIONS, Nights, plain_nights


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Two sessions have been judged; the folder has a keel.toml."""
    nights = Nights(tmp_path_factory.mktemp("judged"))
    (nights.folder / "keel.toml").write_text(
        'protocols = ["protocols"]\nbuiltin_protocols = false\n'
    )
    nights.sessions("north/2026-05-30", nights.session("s1"), nights.session("s2", patient="p2"))
    with plain_nights():
        nights.publish()
    return nights


@pytest.fixture
def nights(judged: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nights:
    monkeypatch.chdir(tmp_path)
    return judged.copied(tmp_path)


def dry(*more: str) -> dict[str, Any]:
    done = keel("nightly", "--dry-run", "--json", "--as-of", AS_OF.isoformat(), *more)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_writes_nothing(nights: Nights) -> None:
    nights.sessions("south/2026-05-31", nights.session("s3"))
    before = snapshot(nights.folder)
    assert keel("nightly", "--dry-run").exit_code == 0
    assert keel("nightly", "--dry-run", "--warehouse", "other").exit_code == 0
    assert snapshot(nights.folder) == before


def test_when_nothing_came(nights: Nights) -> None:
    found = dry()
    assert (found["files"], found["known"], found["judged_again"]) == ({}, 0, 0)
    assert found["subjects"] == 2
    done = keel("nightly", "--dry-run", "--as-of", AS_OF.isoformat())
    assert "would read no file" in done.stdout
    assert "would judge 0 of 2 subjects again" in done.stdout


def test_what_is_new_is_counted_by_feed(nights: Nights) -> None:
    nights.sessions("south/2026-05-31", nights.session("s3"))
    found = dry()
    assert found["files"] == {"sessions": 1, "doses": 1}
    assert found["clinics"] == ["south"]
    assert dry("--feed", "doses")["files"] == {"doses": 1}


def test_bytes_that_are_loaded_already_are_told_apart(nights: Nights) -> None:
    file = nights.settings.landing / "north" / "sessions_2026-05-30.csv"
    os.utime(file, (0, 0))
    (file.parent / "sessions_again.csv").write_bytes(file.read_bytes())
    found = dry()
    assert (found["files"], found["known"]) == ({}, 2)


def test_a_new_warehouse(nights: Nights) -> None:
    found = dry("--warehouse", "other")
    assert found["new_warehouse"]
    assert found["files"]["sessions"] == 1
    assert found["judged_again"] is None
    assert not Path("other").exists()


def test_another_protocol_has_everything_judged(nights: Nights) -> None:
    nights.write_protocol("infusions.yaml", INFUSIONS.replace("max: 1.0", "max: 0.4"))
    assert dry()["judged_again"] is None


def test_what_a_night_did_is_what_was_said(nights: Nights) -> None:
    nights.sessions("north/2026-05-31", nights.session("s1", dose=100))
    said = dry()
    _, counts = nights.publish()
    assert said["files"] == {"sessions": 1, "doses": 1}
    assert (counts.judged, dry()["files"]) == (1, {})


def test_a_file_of_no_feed_is_named(nights: Nights) -> None:
    (nights.settings.landing / "north" / "sesions_1.csv").write_text("a\n1\n")
    assert "did you mean sessions?" in keel("nightly", "--dry-run").stdout


def test_a_wrong_feed_is_refused(nights: Nights) -> None:
    done = keel("nightly", "--dry-run", "--feed", "vitlas")
    assert done.exit_code == 2
    assert "vitals" in done.stderr
