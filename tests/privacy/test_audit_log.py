"""The audit log: a thousand ways to change it, each found against its chain and the heads kept."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.audit import Head, append, head, verify
from flows.errors import KeelError
from flows.manifest import head_kept, published_runs
from flows.warehouse import Warehouse, table_definitions
from tests.publish.nights import Nights, plain_nights

ENTRIES = 12
MUTATIONS = 1_000
Db = duckdb.DuckDBPyConnection
_TEXTS = ("actor", "act", "subject", "outcome", "previous_hash", "entry_hash")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Db, dict[str, Head]]]:
    """A log, and the heads that runs kept: when it was empty, on the way, and at its end."""
    with duckdb.connect() as db:
        db.execute("CREATE SCHEMA ops")
        db.execute(table_definitions("ops")["audit_log"])
        warehouse = Warehouse(tmp_path_factory.mktemp("log"), db)
        kept = {"run-00": head(db)}
        for number in range(1, ENTRIES + 1):
            append(warehouse, "whois", f"P{number:020}", "done")
            if number % 4 == 0:
                kept[f"run-{number}"] = head(db)
        yield db, kept


def edited(db: Db, pick: random.Random) -> None:
    column, number = pick.choice(_TEXTS), pick.randint(1, ENTRIES)
    changes = [f"'x' || coalesce({column}, '')", f"coalesce({column}, '') || ' '", "'nobody'"]
    db.execute(f"UPDATE ops.audit_log SET {column} = {pick.choice(changes)} WHERE entry_no = ?",
               [number])  # fmt: skip


def dated_otherwise(db: Db, pick: random.Random) -> None:
    db.execute("UPDATE ops.audit_log SET acted_at = acted_at + to_microseconds(?) "
               "WHERE entry_no = ?", [pick.choice([-1, 1, 86_400_000_000]),
                                      pick.randint(1, ENTRIES)])  # fmt: skip


def taken_out(db: Db, pick: random.Random) -> None:
    gone = pick.sample(range(1, ENTRIES + 1), pick.randint(1, 5))
    db.execute("DELETE FROM ops.audit_log WHERE list_contains(?, entry_no)", [gone])


def taken_out_and_numbered_anew(db: Db, pick: random.Random) -> None:
    number = pick.randint(1, ENTRIES)
    db.execute("DELETE FROM ops.audit_log WHERE entry_no = ?", [number])
    db.execute("UPDATE ops.audit_log SET entry_no = entry_no - 1 WHERE entry_no > ?", [number])


def reordered(db: Db, pick: random.Random) -> None:
    one, other = pick.sample(range(1, ENTRIES + 1), 2)
    db.execute("UPDATE ops.audit_log SET entry_no = CASE entry_no WHEN $a THEN $b ELSE $a END "
               "WHERE entry_no IN ($a, $b)", {"a": one, "b": other})  # fmt: skip


def cut_off(db: Db, pick: random.Random) -> None:
    db.execute("DELETE FROM ops.audit_log WHERE entry_no > ?", [pick.randint(0, ENTRIES - 1)])


def slipped_in(db: Db, pick: random.Random) -> None:
    db.execute("INSERT INTO ops.audit_log FROM ops.audit_log WHERE entry_no = ?",
               [pick.randint(1, ENTRIES)])  # fmt: skip


def written_anew(db: Db, pick: random.Random) -> None:
    """By somebody who knows how hashes are made: from some entry on, all of them fit."""
    start = pick.randint(1, ENTRIES)
    rows: list[Any] = db.execute("SELECT * FROM ops.audit_log ORDER BY entry_no").fetchall()
    db.execute("DELETE FROM ops.audit_log WHERE entry_no >= ?", [start])
    previous = rows[start - 2][-1] if start > 1 else "0" * 64
    for number, at, actor, act, _, outcome, *_ in rows[start - 1 :]:
        text = json.dumps([number, at.isoformat(), actor, act, "P" + "f" * 20, outcome])
        own = hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()
        db.execute("INSERT INTO ops.audit_log VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                   [number, at, actor, act, "P" + "f" * 20, outcome, previous, own])  # fmt: skip
        previous = own


WAYS: list[Callable[[Db, random.Random], None]] = [
    edited, dated_otherwise, taken_out, taken_out_and_numbered_anew, reordered, cut_off, slipped_in,
    written_anew,
]  # fmt: skip


def test_a_thousand_changes_are_found(log: tuple[Db, dict[str, Head]]) -> None:
    db, kept = log
    assert verify(db, kept) is None
    db.execute("SET TimeZone = 'UTC'")
    unnoticed = []
    for seed in range(MUTATIONS):
        way = WAYS[seed % len(WAYS)]
        db.execute("BEGIN")
        way(db, random.Random(seed))
        if verify(db, kept) is None:
            unnoticed.append((way.__name__, seed))
        db.execute("ROLLBACK")
    assert unnoticed == []
    assert verify(db, kept) is None


def test_only_a_kept_head_shows_what_was_cut_off_or_written_anew(
    log: tuple[Db, dict[str, Head]],
) -> None:
    db, kept = log
    for way, words in ((cut_off, "cut off"), (written_anew, "written anew")):
        db.execute("BEGIN")
        way(db, random.Random(1))
        assert verify(db, {}) is None
        assert words in str(verify(db, kept))
        db.execute("ROLLBACK")


def test_each_published_run_keeps_the_head(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    nights.sessions("north/2026-05-31", nights.session("s1"))
    with plain_nights():
        first, _ = nights.publish()
        with nights.opened() as warehouse:
            append(warehouse, "whois", None, "refused")
            ended = head(warehouse.db)
        second, _ = nights.publish()
    kept = {run.name: head_kept(run) for run in published_runs(nights.settings.publish)}
    assert kept == {first.name: Head(0, "0" * 64), second.name: ended}
    with duckdb.connect(str(second / "results.duckdb"), read_only=True) as db:
        assert head(db) == ended
        assert verify(db, kept) is None
    with nights.opened() as warehouse:
        warehouse.db.execute("DELETE FROM ops.audit_log")
        assert second.name in str(verify(warehouse.db, kept))


def test_a_manifest_without_a_head_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "000001-20260101T000000Z"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(KeelError, match="tells no head of the audit log"):
        head_kept(folder)
