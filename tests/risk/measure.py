"""Recall and precision of risk signals on demo networks whose truth is known."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from flows.demo import write_network
from protocols.risk import risk
from tests.e2e.networks import keel, nightly

SIZE = {"clinics": 4, "patients": 200, "days": 140}
# Ways in which two records of one person differ that no exact key bridges.
BY_SCORE = ("mistyped", "moved")
Flag = tuple[str, str, str, tuple[str, ...]]


@dataclass
class Counts:
    """Planted, found of them, flagged subjects, and those of them that were planted."""

    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    flagged: Counter[str] = field(default_factory=Counter)
    true: Counter[str] = field(default_factory=Counter)
    clean: int = 0
    clean_flagged: int = 0
    pairs: Counter[str] = field(default_factory=Counter)
    pairs_found: Counter[str] = field(default_factory=Counter)
    pairs_told: int = 0


def measure(folder: Path, seeds: Iterable[int]) -> Counts:
    """One night on a network of each seed."""
    counts = Counts()
    for seed in seeds:
        network = folder / str(seed)
        written = write_network(network, seed=seed, truth=True, **SIZE)
        done = keel(*nightly(network, written.as_of.isoformat()))
        assert done.returncode == 0, done.stderr
        with (network / "truth.csv").open(encoding="utf-8", newline="") as file:
            truth = list(csv.DictReader(file))
        with duckdb.connect(str(network / "warehouse" / "keel.duckdb"), read_only=True) as db:
            _count_flags(counts, db, truth)
            _count_clean(counts, db, truth)
            _count_people(counts, db, truth)
    return counts


def _count_flags(
    counts: Counts, db: duckdb.DuckDBPyConnection, truth: list[dict[str, str]]
) -> None:
    rows = db.execute(
        "SELECT clinic_id, signal, subject_id, row_ids FROM marts.risk_flags UNION ALL "
        "SELECT clinic_id, signal, subject_id, row_ids FROM marts.restricted_flags"
    ).fetchall()
    by_signal: dict[tuple[str, str], list[set[str]]] = defaultdict(list)
    for clinic, signal, subject, row_ids in rows:
        by_signal[clinic, signal].append({subject, *row_ids})
    planted = {
        (row["clinic_id"], row["rule_id"], row["subject_id"], row["status"])
        for row in truth
        if row["kind"] == "risk"
    }
    for clinic, signal, subject, strength in planted:
        apart = strength in BY_SCORE or not risk().by_id[signal].exact
        name = f"{signal}, {strength}" if apart else signal
        counts.planted[name] += 1
        counts.found[name] += any(subject in held for held in by_signal[clinic, signal])
    for (clinic, signal), flags in by_signal.items():
        mine = {p[2] for p in planted if p[:2] == (clinic, signal)}
        counts.flagged[signal] += len(flags)
        counts.true[signal] += sum(bool(held & mine) for held in flags)


def _count_clean(
    counts: Counts, db: duckdb.DuckDBPyConnection, truth: list[dict[str, str]]
) -> None:
    """Patients with whom nothing was planted that a signal should notice."""
    planted = {
        (row["clinic_id"], row["subject_id"])
        for row in truth
        if row["kind"] == "risk" and row["subject_kind"] == "patient"
    }
    everybody = db.execute("SELECT clinic_id, patient_id FROM facts.patients").fetchall()
    worst = db.execute(
        "SELECT clinic_id, subject_id FROM marts.risk_scores "
        "WHERE subject_kind = 'patient' AND level <> 'low'"
    ).fetchall()
    clean = set(everybody) - planted
    counts.clean += len(clean)
    counts.clean_flagged += len(clean & set(worst))


def _count_people(
    counts: Counts, db: duckdb.DuckDBPyConnection, truth: list[dict[str, str]]
) -> None:
    told = set(
        db.execute(
            "SELECT a.patient_id, b.patient_id FROM ops.people a JOIN ops.people b "
            "USING (person) WHERE (a.clinic_id, a.patient_id) <> (b.clinic_id, b.patient_id)"
        ).fetchall()
    )
    planted = [row for row in truth if row["kind"] == "person"]
    for row in planted:
        counts.pairs[row["rule_id"]] += 1
        counts.pairs_found[row["rule_id"]] += (row["subject_id"], row["other_id"]) in told
    counts.pairs_told += len(told) // 2


def page(counts: Counts, seeds: Iterable[int]) -> str:
    """The table as text."""
    size = ", ".join(f"{number} {name}" for name, number in SIZE.items())
    lines = [
        f"Demo networks of {size}, seeds {', '.join(map(str, seeds))}; written by `make risk`.",
        "",
        f"{'signal':<34}{'exact':<7}{'planted':>8}{'found':>7}{'recall':>8}"
        f"{'flagged':>9}{'true':>6}{'precision':>11}",
    ]
    for signal in risk().signals:
        apart = [name for name in counts.planted if name.startswith(f"{signal.id}, ")]
        for name in (signal.id, *sorted(apart)):
            if name == signal.id or counts.planted[name]:
                exact = "yes" if signal.exact and name == signal.id else "no"
                lines.append(_line(counts, name, exact))
    lines += ["", f"{'people, by how their records differ':<41}{'planted':>8}{'found':>7}"
              f"{'recall':>8}"]  # fmt: skip
    for how, planted in counts.pairs.items():
        found = counts.pairs_found[how]
        lines.append(f"{how:<41}{planted:>8}{found:>7}{_share(found, planted):>8}")
    right = sum(counts.pairs_found.values())
    lines += [
        f"pairs told: {counts.pairs_told}, of which planted: {right}, "
        f"precision {_share(right, counts.pairs_told)}",
        "",
        f"patients with nothing planted: {counts.clean}, of which moderate or higher: "
        f"{counts.clean_flagged} ({_share(counts.clean_flagged, counts.clean)})",
    ]
    return "\n".join(lines) + "\n"


def _line(counts: Counts, name: str, exact: str) -> str:
    planted, found = counts.planted[name], counts.found[name]
    flagged, true = counts.flagged[name], counts.true[name]
    return (
        f"{name:<34}{exact:<7}{planted:>8}{found:>7}{_share(found, planted):>8}"
        f"{flagged:>9}{true:>6}{_share(true, flagged):>11}"
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "-"
