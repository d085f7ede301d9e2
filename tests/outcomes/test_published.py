"""Answers that others published, or that real data give, with how closely Keel agrees."""

from __future__ import annotations

import csv
from collections import Counter
from math import log
from pathlib import Path
from statistics import NormalDist

import polars as pl
import pytest

from flows.metrics.durability import kaplan_meier
from protocols.instruments import (
    Instrument,
    ReliableChange,
    difference_error,
    instruments,
    reliable_change_index,
)
from protocols.scoring import scored
from tests.spec.outcomes.tables import sections

DATA = Path(__file__).parents[3] / "shared" / "data"
SCALES = {scale.key: scale for scale in instruments().instruments}
PHQ9 = SCALES["PHQ-9"]


def real(path: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not (DATA / path).is_file(), reason=f"the file is not at ../shared/data/{path}"
    )


def scores_of(
    scale: Instrument, items: list[str | None], totals: list[float | None]
) -> pl.DataFrame:
    rows = pl.LazyFrame(
        {
            "outcome_id": [str(at) for at in range(len(items))],
            "instrument": pl.Series([scale.instrument] * len(items), dtype=pl.String),
            "instrument_version": pl.Series([None] * len(items), dtype=pl.String),
            "total": pl.Series(totals, dtype=pl.Float64),
            "items": pl.Series(items, dtype=pl.String),
        }
    )
    return scored(rows, (scale,)).collect()


# --- formulas ---


def test_jacobson_and_truax_1991() -> None:
    assert difference_error(7.5, 0.80) == pytest.approx(4.743, abs=5e-4)
    assert reliable_change_index(32.5, 47.5, 7.5, 0.80) == pytest.approx(3.162, abs=5e-4)
    assert instruments().courses.reliable_change.criterion == 1.96


def test_reliable_change_of_the_ldq() -> None:
    held = ReliableChange.model_validate({"tier": "T4", "sd": 7.6, "reliability": 0.95})
    assert difference_error(7.6, 0.95) == pytest.approx(2.403, abs=5e-4)
    assert held.beyond(1.96) == pytest.approx(4.71, abs=5e-3)


def _greenwood(arm: str) -> list[float]:
    """Standard errors that lie behind a curve's log-log limits."""
    (held,) = [section for section in sections("durability") if arm in section.name]
    spans = [text.strip() for text in held.text.strip().split(",")]
    points = kaplan_meier([int(s.rstrip("+")) for s in spans], [not s.endswith("+") for s in spans])
    z = NormalDist().inv_cdf(0.975)
    found = []
    for point in points:
        if point["relapsed"] and point["survival_low"] is not None:
            survival = point["survival"]
            spread = log(log(point["survival_low"]) / log(survival)) / z
            found.append(spread * survival * abs(log(survival)))
    return found


def test_standard_errors_of_the_6_mp_arm() -> None:
    published = [0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346]
    assert _greenwood("6-MP") == pytest.approx(published, abs=5e-5)


def test_standard_error_of_the_control_arm_at_day_8() -> None:
    assert _greenwood("control")[5] == pytest.approx(0.106, abs=5e-4)


# --- bands and scores ---


@pytest.mark.parametrize(
    ("scale", "total", "sex", "band"),
    [("PHQ-9", 27, None, "severe"), ("PHQ-9", 10, None, "moderate"), ("PHQ-9", 4, None, "minimal"),
     ("MADRS", 34, None, "moderate"), ("HAM-D17", 7, None, "normal"),
     ("QIDS-SR16", 21, None, "very severe"), ("GAD-7", 15, None, "severe"),
     ("PCL-5", 33, None, "provisional PTSD"), ("AUDIT-C", 3, "F", "positive"),
     ("AUDIT-C", 3, "M", "negative"), ("AUDIT-C", 3, None, None), ("MoCA", 26, None, "normal"),
     ("BPIC-SS", 19, None, "positive"), ("DAST-10", 0, None, "none"),
     ("Y-BOCS", 32, None, "extreme"), ("WSAS", 10, None, "significant"),
     ("CAPS-5", 40, None, None)],
)  # fmt: skip
def test_bands(scale: str, total: float, sex: str | None, band: str | None) -> None:
    assert SCALES[scale].band(total, sex) == band


@real("phq9-chiu/PHQ9_data.csv")
def test_severity_bands_of_2177_phq9s() -> None:
    with (DATA / "phq9-chiu" / "PHQ9_data.csv").open() as file:
        rows = list(csv.DictReader(file))
    items: list[str | None] = [
        ";".join(row[f"Item{item}_num"] for item in range(1, 10)) for row in rows
    ]
    found = scores_of(PHQ9, items, [float(row["SumScore"]) for row in rows])
    bands = Counter(PHQ9.band(score) for score in found["score"])
    assert bands == {
        "minimal": 112, "mild": 523, "moderate": 608, "moderately severe": 584, "severe": 350,
    }  # fmt: skip
    assert found["level"].count() == 679
    assert found["warning"].count() == 0


@real("nhanes/DPQ_J.csv")
def test_nhanes_with_its_codes_for_a_refusal() -> None:
    """5,533 people: 5,068 answered all nine items, 15 left out one and 3 two (prorated), 7 left out
    more and 440 all. 58 answers of 23 people are codes 7 and 9.
    """
    with (DATA / "nhanes" / "DPQ_J.csv").open() as file:
        rows = [[row[f"DPQ0{item}0"] for item in range(1, 10)] for row in csv.DictReader(file)]
    assert sum(answer in ("7", "9") for row in rows for answer in row) == 58
    items: list[str | None] = [";".join("" if a == "NA" else a for a in row) for row in rows]
    found = scores_of(PHQ9, items, [None] * len(rows))
    whole = found.filter(pl.col("score").is_not_null() & ~pl.col("prorated"))
    prorated = found.filter("prorated")
    assert (len(whole), whole["score"].sum()) == (5068, 16426)
    assert (len(prorated), prorated["score"].sum()) == (18, 86)
    assert Counter(found["warning"]) == {None: 5086, "unanswered": 447}
    assert (found["score"] >= 10).sum() == 462


@real("ketamine-rct-ds005917/phenotype.tsv")
@pytest.mark.parametrize(
    ("visit", "count", "baseline", "mean", "responders", "remitters"),
    [("ses-d2", 27, 32.815, 23.593, 6, 4), ("ses-d10", 26, 32.615, 28.231, 3, 2),
     ("ses-p2", 26, 33.269, 31.308, 1, 0), ("ses-p10", 26, 33.423, 34.192, 0, 0)],
)  # fmt: skip
def test_madrs_after_one_infusion(
    visit: str, count: int, baseline: float, mean: float, responders: int, remitters: int
) -> None:
    """Patients with major depression against their ses-b0, after ketamine (d) and placebo (p)."""
    folder = DATA / "ketamine-rct-ds005917"
    people = pl.read_csv(folder / "participants.tsv", separator="\t", infer_schema=False)
    visits = pl.read_csv(folder / "phenotype.tsv", separator="\t", infer_schema=False)
    rows = visits.join(people.filter(pl.col("group") == "MDD"), on="participant_id").with_columns(
        outcome_id=pl.col("participant_id") + pl.col("session_id"),
        instrument=pl.lit("MADRS"),
        instrument_version=pl.lit(None, pl.String),
        total=pl.col("MADRS_Total").cast(pl.Float64, strict=False),
        items=pl.lit(None, pl.String),
    )
    madrs = SCALES["MADRS"]
    told = scored(rows.lazy(), (madrs,)).filter(pl.col("score").is_not_null()).collect()
    before = told.filter(pl.col("session_id") == "ses-b0").select("participant_id", before="score")
    found = told.filter(pl.col("session_id") == visit).join(before, on="participant_id")
    assert len(found) == count
    assert found["before"].mean() == pytest.approx(baseline, abs=5e-4)
    assert found["score"].mean() == pytest.approx(mean, abs=5e-4)
    assert madrs.response is not None and madrs.remission is not None
    limit = found["before"] * (1 - madrs.response.fall)
    assert (found["score"] <= limit).sum() == responders
    assert (found["score"] <= madrs.remission.cut).sum() == remitters
