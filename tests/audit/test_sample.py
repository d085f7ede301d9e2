"""The draw: how many, which ones, and always the same."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.audit_packs.sample import _DRAW, _chosen
from flows.audit_packs.scope import Scope, read
from flows.warehouse import Warehouse, no_warehouse
from protocols.sampling import SampleSizes, sample_sizes
from tests.audit.network import MAY, audit, manifest, tables, words
from tests.publish.nights import Nights

SCOPE = Scope("north", "North", "America/Chicago", date(2026, 1, 1), date(2026, 12, 31), "run",
              datetime(2026, 12, 31, tzinfo=UTC))  # fmt: skip


@pytest.mark.parametrize(
    ("population", "drawn"),
    [(0, 0), (1, 1), (50, 50), (51, 51), (52, 51), (254, 51), (255, 51), (256, 52), (260, 52),
     (505, 101), (506, 102), (509, 102), (510, 102), (511, 102), (100_000, 102)],
)  # fmt: skip
def test_the_joint_commissions_monthly_sizes(population: int, drawn: int) -> None:
    assert sample_sizes().of(population) == drawn


@given(st.integers(0, 5_000))
def test_a_larger_month_never_asks_for_fewer(population: int) -> None:
    sizes = sample_sizes()
    assert sizes.of(population) <= min(population, sizes.of(population + 1))


@pytest.mark.parametrize("starts", [[1], [0, 51, 51], [0, 60, 51]])
def test_steps_out_of_order_are_refused(starts: list[int]) -> None:
    about = {"citation": "x", "where": "x", "tier": "T2", "status": "seen", "note": "x"}
    with pytest.raises(ValueError, match="begins above"):
        SampleSizes.model_validate(about | {"steps": [{"at_least": start} for start in starts]})


@pytest.fixture(scope="module")
def empty() -> Iterator[Warehouse]:
    with no_warehouse() as warehouse:
        yield warehouse


def draw(
    warehouse: Warehouse, judged: list[tuple[str, date]], seed: int, size: int | None
) -> tuple[list[str], list[tuple[str, int, int]]]:
    """The sessions drawn from marts.subjects that hold these rows, in this order."""
    warehouse.db.execute("DELETE FROM marts.subjects")
    for at, (session, day) in enumerate(judged):
        for protocol in ("a", "b")[: 1 + at % 2]:  # some sessions are judged by two protocols
            warehouse.db.execute(
                "INSERT INTO marts.subjects BY NAME SELECT 0 AS subject_no, 'north' AS clinic_id, "
                "'session' AS subject_kind, $session AS subject_id, 'p' AS patient_id, "
                "$protocol AS protocol, '1' AS protocol_version, $day AS local_date, "
                "'compliant' AS status, 0 AS met, 0 AS not_met, 0 AS not_evaluable, 0 AS pending, "
                "0 AS excluded",
                {"session": session, "protocol": protocol, "day": day},
            )
    ranked = read(warehouse, SCOPE, "", "", "", _DRAW, seed=str(seed)).rows
    chosen, strata = _chosen(ranked, size)
    return [session for _, _, session in chosen], strata


def expected(judged: list[tuple[str, date]], seed: int, size: int | None) -> set[str]:
    """Slowly, in plain Python: the least hashes of each month, or of all."""

    def rank(session: str) -> str:
        return hashlib.sha256(f"{seed}\x1fnorth\x1f{session}".encode()).hexdigest()

    if size is not None:
        return set(sorted((session for session, _ in judged), key=rank)[:size])
    found: set[str] = set()
    for month in {day.month for _, day in judged}:
        mine = sorted((session for session, day in judged if day.month == month), key=rank)
        found |= set(mine if len(mine) < 51 else mine[:51])
    return found


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.dates(date(2026, 1, 1), date(2026, 3, 31)), min_size=1, max_size=70),
    st.integers(0, 1_000),
    st.none() | st.integers(1, 80),
    st.randoms(use_true_random=False),
)
def test_a_seed_draws_the_same_whatever_the_order(
    empty: Warehouse, days: list[date], seed: int, size: int | None, chance: random.Random
) -> None:
    judged = [(f"s{at}", day) for at, day in enumerate(days)]
    first, strata = draw(empty, judged, seed, size)
    shuffled = list(judged)
    chance.shuffle(shuffled)
    assert draw(empty, shuffled, seed, size) == (first, strata)
    assert set(first) == expected(judged, seed, size)
    assert sum(drawn for _, _, drawn in strata) == len(first)
    assert sum(population for _, population, _ in strata) == len(judged)


def test_another_seed_draws_others_and_a_number_the_first_of_them(empty: Warehouse) -> None:
    judged = [(f"s{at}", date(2026, 1, 2)) for at in range(80)]
    assert draw(empty, judged, 1, None)[0] != draw(empty, judged, 2, None)[0]
    assert set(draw(empty, judged, 1, 10)[0]) == expected(judged, 1, 10)


def test_a_sample_is_a_folder_to_print(month: Nights, tmp_path: Path) -> None:
    out = tmp_path / "sample"
    done = audit(month, "sample", *MAY, "--seed", "7", "--out", out)
    assert done.exit_code == 0, done.output
    found = tables(out)
    assert [row["session_id"] for row in found["charts"]] == ["e1", "e2", "s1", "s2", "e3"]
    assert [tuple(row.values()) for row in found["months"]] == [("2026-05", "5", "5")]
    page = (out / "worksheets.html").read_text()
    assert page.count('<section class="chart">') == 5
    assert "Two hours" in page
    lines = [row for row in found["worksheet"] if row["session_id"] == "e1"]
    has = {(row["part"], row["item"]): row["keel_has"] for row in lines}
    assert has["session", "monitoring_ended"] == "2026-05-04 12:04:00"
    assert has["reading", "2: spo2_pct"] == "97.0"
    assert any(row["item"].startswith("Two hours") and row["keel_has"] == "met, waived"
               for row in lines)  # fmt: skip
    assert {row[name] for row in lines for name in ("chart_has", "agrees", "note")} == {""}
    assert not any(row["item"].startswith("Heavy") for row in lines)  # it did not apply
    assert manifest(out)["seed"] == 7


def test_the_same_seed_gives_the_same_files_and_none_is_told_which(
    month: Nights, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        audit(month, "sample", *MAY, "--seed", "3", "--size", "2", "--out", tmp_path / name)
    for file in ("charts.csv", "worksheet.csv", "worksheets.html", "months.csv"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert len(tables(tmp_path / "one")["charts"]) == 2
    done = audit(month, "sample", *MAY, "--out", tmp_path / "drawn", "--json")
    assert json.loads(done.stdout)["rows"]["charts"] == 5
    assert f"Seed {manifest(tmp_path / 'drawn')['seed']}." in words(tmp_path / "drawn")


def test_a_period_without_sessions_is_one_sentence(month: Nights, tmp_path: Path) -> None:
    out = tmp_path / "sample"
    done = audit(month, "sample", "--clinic", "south", "--from", "2026-01-01", "--to",
                 "2026-01-31", "--out", out)  # fmt: skip
    assert done.exit_code == 2
    assert "choose another period" in done.stderr
    assert not out.exists()
