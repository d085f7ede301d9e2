"""Other thresholds, tried on observations; and what is said of a slip."""

from __future__ import annotations

import polars as pl
import pytest

from flows.errors import UsageError
from flows.metrics.flags import flags, scores
from flows.metrics.risk_what_if import flagged_by_signal, subjects_by_level
from flows.what_if import thresholds
from protocols.risk import risk

OBSERVED = [
    ("p1", "early-refill", 5.0), ("p1", "several-clinics", 2.0), ("p1", "pdmp-not-queried", 1.0),
    ("p2", "early-refill", 3.0), ("p3", "pdmp-not-queried", 2.0),
]  # fmt: skip


def observations() -> pl.DataFrame:
    rows = [
        {"clinic_id": "c", "subject_kind": "patient", "subject_id": subject, "signal": signal,
         "observed": observed, "threshold": risk().by_id[signal].at_least}
        for subject, signal, observed in OBSERVED
    ]  # fmt: skip
    return pl.DataFrame(rows)


def test_points_add_up_to_scores_and_levels() -> None:
    flagged = flags(observations().lazy(), risk())
    assert scores(flagged, risk()).select("subject_id", "score", "level", "signals").collect(
    ).rows() == [
        ("p1", 6, "high", ["early-refill", "pdmp-not-queried", "several-clinics"]),
        ("p3", 1, "low", ["pdmp-not-queried"]),
    ]  # fmt: skip


def test_other_thresholds_move_flags_and_levels() -> None:
    asked = {"early-refill": 3.0, "pdmp-not-queried": 3.0}
    signals = flagged_by_signal(observations(), asked, risk())
    assert signals.rows() == [
        ("early-refill", 1, 2), ("several-clinics", 1, 1), ("pdmp-not-queried", 2, 0),
    ]  # fmt: skip
    levels = subjects_by_level(observations(), asked, risk())
    assert levels.rows() == [
        ("patient", "none", 1, 1), ("patient", "low", 1, 1), ("patient", "moderate", 0, 1),
        ("patient", "high", 1, 0),
    ]  # fmt: skip


def test_without_another_threshold_nothing_moves() -> None:
    levels = subjects_by_level(observations(), {}, risk())
    assert (levels["now"] == levels["then"]).all()
    asked = flagged_by_signal(observations(), {"dast-10": 5.0}, risk())
    assert ("dast-10", 0, 0) in asked.rows()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("early-refil=3", "early-refil is no signal of protocols/risk.yaml; did you mean early-"),
        ("early-refill", "needs a number of days_early, for example early-refill=4."),
        ("early-refill=soon", "needs a number of days_early"),
        ("early-refill=0", "is a number above 0"),
        ("early-refill=nan", "is a number above 0"),
        ("waste-above-peers=2", "compares with peers"),
    ],
)
def test_a_slip_is_told(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"^--threshold") as caught:
        thresholds([text])
    assert said in str(caught.value)


def test_thresholds_by_signal() -> None:
    assert thresholds(["early-refill=7", "dast-10=6"]) == {"early-refill": 7.0, "dast-10": 6.0}
