"""The network's own files: its clinics and when they are open."""

from __future__ import annotations

import polars as pl

from flows.demo.calendar import Clinic
from flows.demo.people import CLOSES_MINUTE, OPENS_MINUTE


def clinic_rows(clinics: list[Clinic], chairs: list[int]) -> pl.DataFrame:
    """One row a clinic, with its chairs."""
    return pl.DataFrame(
        {
            "clinic_id": [clinic.clinic_id for clinic in clinics],
            "name": [clinic.name for clinic in clinics],
            "time_zone": [clinic.zone for clinic in clinics],
            "state": [clinic.state for clinic in clinics],
            "chairs": chairs,
            "rems_certified_on": ["2024-01-15"] * len(clinics),
        }
    )


def hour_rows() -> pl.DataFrame:
    """Every clinic is open every day."""
    return pl.DataFrame(
        {
            "clinic_id": [None] * 7,
            "hours_id": [f"hours-{day}" for day in range(1, 8)],
            "weekday": list(range(1, 8)),
            "opens": [_clock(OPENS_MINUTE)] * 7,
            "closes": [_clock(CLOSES_MINUTE)] * 7,
            "effective_from": ["2023-01-01"] * 7,
        },
        schema_overrides={"clinic_id": pl.String},
    )


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
