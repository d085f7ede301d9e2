"""The sample network: all feeds, as their contracts say, near the figures that were published."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from checks.contract import contract, contracts
from flows.demo import write_network
from protocols.risk import risk


def read(folder: Path, feed: str) -> pl.DataFrame:
    """All rows of a feed as text, with the clinic folder they came in."""
    files = sorted(folder.glob(f"landing/*/{feed}_*.csv"))
    frames = [
        pl.read_csv(file, infer_schema=False).with_columns(_clinic=pl.lit(file.parent.name))
        for file in files
    ]
    return pl.concat([frame for frame in frames if len(frame)], how="diagonal")


def latest(rows: pl.DataFrame, feed: str) -> pl.DataFrame:
    """The version of each key that was extracted last."""
    key = contract(feed).id_column
    return rows.sort("extracted_at").unique(["_clinic", key], keep="last")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    write_network(folder, clinics=4, patients=1200, days=120, seed=3, clean=True)
    return folder


def test_every_feed_is_there_with_columns_of_its_contract(tmp_path: Path) -> None:
    write_network(tmp_path, clinics=2, patients=60, days=90)
    for feed in contracts():
        rows = read(tmp_path, feed)
        known = {*contract(feed).names, "clinic_id", "_clinic"}
        assert set(rows.columns) <= known, feed
        needed = [column.name for column in contract(feed).columns if column.required]
        assert len(rows), feed
        for name in needed:
            assert rows[name].null_count() == 0, (feed, name)


@pytest.mark.parametrize("patients", [1, 2, 3, 7, 25])
@pytest.mark.parametrize("days", [15, 40])
def test_networks_of_any_size_can_be_written(tmp_path: Path, patients: int, days: int) -> None:
    written = write_network(tmp_path, clinics=3, patients=patients, days=days, truth=True)
    assert written.rows["patients"] == patients


def test_the_same_arguments_write_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    digests = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_network(tmp_path / name, clinics=2, patients=20, days=40, seed=seed, truth=True)
        digest = hashlib.sha256()
        for path in sorted((tmp_path / name).rglob("*.csv")):
            digest.update(path.relative_to(tmp_path / name).as_posix().encode())
            digest.update(path.read_bytes())
        digests.append(digest.hexdigest())
    assert digests[0] == digests[1] != digests[2]


def test_csv_and_parquet_hold_the_same_rows(tmp_path: Path) -> None:
    for kind in ("csv", "parquet"):
        write_network(tmp_path / kind, clinics=2, patients=20, days=40, file_format=kind)
    for file in sorted((tmp_path / "csv").glob("landing/*/*.csv")):
        other = tmp_path / "parquet" / file.relative_to(tmp_path / "csv").with_suffix(".parquet")
        parquet = pl.read_parquet(other)
        text = pl.read_csv(file, schema=parquet.schema)
        assert text.equals(parquet), file.name


def test_responses_lie_near_those_of_a_published_cohort(clean: Path) -> None:
    """McInnes 2022: 53.6 % responded, 28.9 % remitted (clinical-facts 7a)."""
    scores = latest(read(clean, "outcomes"), "outcomes").filter(pl.col("instrument") == "PHQ-9")
    scores = scores.with_columns(pl.col("total").cast(pl.Float64)).sort("administered_at")
    courses = scores.group_by("_clinic", "patient_id", maintain_order=True).agg(
        pl.col("total"), n=pl.len()
    )
    whole = courses.filter(pl.col("n") >= 3).with_columns(
        first=pl.col("total").list.first(), fourth=pl.col("total").list.get(2)
    )
    responded = (whole["fourth"] * 2 <= whole["first"]).mean()
    remitted = (whole["fourth"] < 5).mean()
    assert len(whole) > 500
    assert isinstance(responded, float)
    assert isinstance(remitted, float)
    assert 0.45 < responded < 0.62
    assert 0.18 < remitted < 0.40


def test_adverse_events_lie_near_those_of_the_rems(clean: Path) -> None:
    """Per session of esketamine: sedation 34.7 %, dissociation 41.0 % (clinical-facts 7b)."""
    sessions = latest(read(clean, "sessions"), "sessions")
    held = sessions.filter((pl.col("program") == "esketamine") & pl.col("started_at").is_not_null())
    events = latest(read(clean, "events"), "events").join(
        held.select("_clinic", "session_id"), on=["_clinic", "session_id"]
    )
    kinds = Counter(events["kind"].to_list())
    assert kinds["sedation"] / len(held) == pytest.approx(0.347, abs=0.03)
    assert kinds["dissociation"] / len(held) == pytest.approx(0.41, abs=0.03)


def test_every_count_of_the_stock_is_what_its_movements_say(clean: Path) -> None:
    book = latest(read(clean, "inventory"), "inventory").with_columns(
        tenths=(pl.col("amount_mg").cast(pl.Float64) * 10).round().cast(pl.Int64)
    )
    counts = 0
    for (_, _), lot in book.group_by("_clinic", "lot"):
        on_hand = 0
        ordered = lot.sort("occurred_at", "kind", descending=[False, True])
        for kind, tenths in ordered.select("kind", "tenths").iter_rows():
            if kind == "count":
                assert tenths == on_hand
                counts += 1
            else:
                on_hand += tenths if kind == "received" else -tenths
        assert on_hand >= 0
    assert counts > 10
    moved = set(book["kind"].unique())
    assert moved >= {"received", "administered", "wasted", "dispensed", "broken", "count"}


def test_every_dose_is_in_the_stock_book(clean: Path) -> None:
    doses = latest(read(clean, "doses"), "doses")
    book = latest(read(clean, "inventory"), "inventory").filter(pl.col("kind") == "administered")
    keys = ["_clinic", "session_id", "lot", "amount_mg"]
    assert doses.select(keys).sort(keys).equals(book.select(keys).sort(keys))


def test_sessions_have_all_states_and_some_payers_deny(clean: Path) -> None:
    sessions = latest(read(clean, "sessions"), "sessions")
    assert set(sessions["status"]) == {
        "completed", "aborted", "no_show", "cancelled", "scheduled",
    }  # fmt: skip
    charges = read(clean, "charges")
    first = charges.sort("extracted_at").unique(["_clinic", "charge_id"], keep="first")
    answered = first.filter(pl.col("adjudicated_on").is_not_null())
    denied = (answered["status"] == "denied").mean()
    assert isinstance(denied, float)
    assert denied == pytest.approx(0.09, abs=0.03)
    assert (latest(charges, "charges")["status"] == "denied").sum() < (
        first["status"] == "denied"
    ).sum()


def test_truth_names_every_kind_of_plant(tmp_path: Path) -> None:
    write_network(tmp_path, clinics=6, patients=240, days=120, truth=True)
    truth = pl.read_csv(tmp_path / "truth.csv", infer_schema=False)
    assert set(truth["kind"]) == {"billing", "breach", "person", "risk", "waiver", "dirty_row"}
    assert truth.filter(pl.col("reason").str.contains("mistaken unit")).height
    planted = set(truth.filter(pl.col("kind") == "risk")["rule_id"])
    assert planted >= {signal.id for signal in risk().signals if signal.about != "patient"}
    assert planted >= {
        "early-refill", "overlapping-supply", "several-clinics", "unexpected-uds",
        "pdmp-not-queried",
    }  # fmt: skip
    write_network(tmp_path, clinics=6, patients=240, days=120, truth=True, clean=True)
    assert pl.read_csv(tmp_path / "truth.csv").is_empty()
