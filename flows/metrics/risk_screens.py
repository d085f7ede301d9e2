"""Risk signals of a patient's screens and scales.

What each says in words, and how it can mislead, stands in `docs/reference/definitions/risk.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from flows.metrics.exposure import DRUG
from flows.metrics.flags import counted, since, worst
from protocols.risk import ScaleBand, Signal
from protocols.scoring import SLACK
from protocols.sentences import amount_words, day_words, number_words, sentence
from protocols.times import local_day

PATIENT = ("clinic_id", "patient_id")
_SEXES = ("F", "M")


def urine_screens(
    screens: pl.LazyFrame, signal: Signal, as_of: datetime, zones: Sequence[str], *, explained: bool
) -> pl.LazyFrame:
    """Urine screens with a result that was not to be expected; where not `explained`, positive ones
    of which nobody wrote whether they were.

    `screens`: clinic_id, patient_id, screening_id, at, result, expected, _zone.
    """
    positive = pl.col("result") == "positive"
    if explained:
        odd = ~pl.col("expected") & (positive | (pl.col("result") == "negative"))
    else:
        odd = pl.col("expected").is_null() & positive
    said = "not to be expected" if explained else "positive, and nobody wrote whether expected"
    events = screens.filter(odd).select(
        "clinic_id", "at", subject_id="patient_id", row_id="screening_id",
        reason=sentence(
            f"the screen of {{}} was {said}", day_words(local_day(pl.col("at"), zones))
        ),
    )  # fmt: skip
    return counted(since(events, signal, as_of), signal, "screenings")


def latest_score(scores: pl.LazyFrame, signal: Signal, as_of: datetime) -> pl.LazyFrame:
    """The latest total of the signal's scale in its window, with the least total of its band for
    the patient's sex as `threshold`.

    `scores`: clinic_id, patient_id, outcome_id, at, scale, score, sex.
    """
    band = _band(signal)
    mine = scores.filter((pl.col("scale") == band.instrument) & pl.col("score").is_not_null())
    least = pl.lit(band.least(), pl.Float64)
    for sex in _SEXES:
        least = pl.when(pl.col("sex") == sex).then(band.least(sex)).otherwise(least)
    latest = since(mine, signal, as_of).sort("at", "outcome_id").group_by(PATIENT).last()
    return latest.with_columns(threshold=least)


def screener(
    scores: pl.LazyFrame, signal: Signal, as_of: datetime, zones: Sequence[str]
) -> pl.LazyFrame:
    """The latest total of a screener, against the band of its scale."""
    events = latest_score(scores, signal, as_of).select(
        "clinic_id", "at", "threshold", subject_id="patient_id", row_id="outcome_id",
        observed="score",
        reason=sentence(
            f"{_band(signal).instrument} of {{}} on {{}}",
            number_words(pl.col("score")), day_words(local_day(pl.col("at"), zones)),
        ),
    )  # fmt: skip
    return worst(events, signal, "outcomes")


def urinary_symptoms(
    scores: pl.LazyFrame,
    doses: pl.LazyFrame,
    supplies: pl.LazyFrame,
    signal: Signal,
    as_of: datetime,
    zones: Sequence[str],
) -> pl.LazyFrame:
    """The exposure of who has urinary symptoms at the latest score: the greater of what was given
    and what was handed out of a drug in the signal's window; the two are not added up.

    `scores` as `latest_score` takes them; `doses` are `exposure.given`, `supplies` `handed_out`.
    """
    latest = latest_score(scores, signal, as_of)
    symptoms = latest.filter(pl.col("score") >= pl.col("threshold") - SLACK)
    parts = [
        since(rows, signal, as_of)
        .group_by(DRUG)
        .agg(iv_mg=pl.col("iv_mg").sum(), first_at=pl.col("at").min())
        for rows in (doses, supplies)
    ]
    most = (
        pl.concat(parts)
        .group_by(PATIENT)
        .agg(observed=pl.col("iv_mg").max() / 1e6, first_at=pl.col("first_at").min())
    )
    events = symptoms.drop("threshold").join(most, on=PATIENT).select(
        "clinic_id", "at", "observed", subject_id="patient_id", row_id="outcome_id",
        oldest_at=pl.min_horizontal("at", "first_at"),
        reason=sentence(
            f"{_band(signal).instrument} of {{}} on {{}}, and {{}} mg as if into a vein",
            number_words(pl.col("score")), day_words(local_day(pl.col("at"), zones)),
            amount_words(pl.col("observed")),
        ),
    )  # fmt: skip
    return worst(events, signal, "outcomes")


def _band(signal: Signal) -> ScaleBand:
    assert signal.band is not None
    return signal.band
