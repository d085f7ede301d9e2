"""While runs are published, a reader sees the old one or the new one, whole, at every moment."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import duckdb
import pytest

from tests.publish.nights import Nights, plain_nights

PUBLICATIONS = 3


class Reader(threading.Thread):
    """Reads what `current` names, again and again: each file against the manifest's hash."""

    def __init__(self, publish: Path) -> None:
        super().__init__(daemon=True)
        self._publish = publish
        self.stop = threading.Event()
        self.seen: list[str] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self._look()
            except (OSError, ValueError, KeyError, duckdb.Error) as error:
                self.wrong.append(f"{type(error).__name__}: {error}")
                return

    def _look(self) -> None:
        folder = (self._publish / "current").resolve(strict=True)
        manifest = json.loads((folder / "manifest.json").read_text())
        for name, digest in manifest["files"].items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
                self.wrong.append(f"{folder.name}: {name} is not the manifest's")
        with duckdb.connect(str(folder / "results.duckdb"), read_only=True) as db:
            state = db.execute(
                "SELECT state FROM ops.runs WHERE run_id = ?", [folder.name]
            ).fetchone()
        if state != ("published",):
            self.wrong.append(f"{folder.name}: is {state}")
        if folder.name not in self.seen[-1:]:
            self.seen.append(folder.name)


def test_a_reader_sees_whole_runs_only(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    with plain_nights():
        nights.sessions("north/0", nights.session("s0"))
        published = [nights.publish()[0].name]
        reader = Reader(nights.settings.publish)
        reader.start()
        for number in range(1, PUBLICATIONS + 1):
            nights.sessions(f"north/{number}", nights.session(f"s{number}", dose=40 * number))
            published.append(nights.publish()[0].name)
        reader.stop.set()
        reader.join()
    assert reader.wrong == []
    assert len(reader.seen) > 1, "the reader saw but one run"
    assert reader.seen == [name for name in published if name in reader.seen]


def test_a_publication_that_fails_changes_nothing_for_readers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = Nights(tmp_path)
    with plain_nights():
        nights.sessions("north/0", nights.session("s0"))
        nights.publish()
        before = nights.current.readlink()

        def broken(*_: object) -> None:
            raise ValueError

        monkeypatch.setattr("flows.publish.write_manifest", broken)
        nights.sessions("north/1", nights.session("s1"))
        with pytest.raises(ValueError):
            nights.publish()
    assert nights.current.readlink() == before
    assert sorted(path.name for path in nights.settings.publish.iterdir()) == sorted(
        [before.name, "current"]
    )
