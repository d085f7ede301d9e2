"""What sessions are billed, and what the network's resources cost.

Prices lie within the ranges of clinical-facts section 6 (IV list price 400 to 800 dollars a
session, 590 and 885 dollars for 56 and 84 mg of esketamine); they shape the sample only.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from flows.demo.calendar import LAST_DAY
from flows.demo.people import Care
from flows.demo.programs import ESKETAMINE, KAP, MDSI, PAIN, PROGRAMS, Program
from flows.demo.tables import NEVER, Column, Table, numbers, rows_of, size, stacked

DENIED_SHARE = 0.09
# J0013 replaced S0013 on this day.
_NEW_CODE_FROM = np.datetime64("2026-01-01")
_ESKETAMINE_USD_PER_MG = 590 / 56

_RATES = (
    ("prescriber_hour", 180, ""), ("nurse_hour", 62, ""), ("therapist_hour", 85, ""),
    ("pharmacist_hour", 78, ""), ("admin_hour", 34, ""), ("room_hour", 28, ""),
    ("ketamine_mg", 0.02, ""), ("esketamine_mg", 10.5, ""), ("supplies_session", 24, ""),
    ("overhead_session", 41, ""), ("prescriber_minutes_session", 15, ""),
    ("nurse_minutes_session", 70, ""), ("nurse_minutes_session", 85, ESKETAMINE),
    ("nurse_minutes_session", 85, MDSI), ("nurse_minutes_session", 150, PAIN),
    ("therapist_minutes_session", 150, KAP), ("admin_minutes_session", 20, ""),
)  # fmt: skip


def bill(care: Care) -> None:
    """Charges of one clinic, as they stand, with the first answer of each payer in `first_*`."""
    care.tables["charges"] = _charges(care)


def rates() -> pl.DataFrame:
    """What resources cost in the whole network."""
    return pl.DataFrame(
        {
            "clinic_id": [None] * len(_RATES),
            "rate_id": [f"rate-{at:02d}" for at in range(1, len(_RATES) + 1)],
            "resource": [rate[0] for rate in _RATES],
            "amount": [float(rate[1]) for rate in _RATES],
            "program": [rate[2] or None for rate in _RATES],
            "effective_from": ["2024-01-01"] * len(_RATES),
        },
        schema_overrides={"clinic_id": pl.String, "program": pl.String},
    )


def _charges(care: Care) -> Table:
    sessions, rng = care.tables["sessions"], care.rng
    given = ~np.isnat(sessions["started_at"])
    parts = []
    for program in PROGRAMS:
        mine = rows_of(sessions, given & (sessions["program"] == program.name))
        payers, shares = zip(*program.payers, strict=True)
        payer = np.array(payers)[rng.choice(len(payers), size(care.tables["patients"]), p=shares)]
        parts += _lines(care, program, mine, payer[mine["patient"]])
    charges = stacked(*parts)
    charges["charge_id"] = numbers(size(charges))
    return _answered(charges, rng)


def _lines(care: Care, program: Program, sessions: Table, payer: Column) -> list[Table]:
    count = size(sessions)
    offsets = care.clinic.offset_minutes(sessions["started_at"]).astype("timedelta64[m]")
    service_on = (sessions["started_at"].astype("datetime64[m]") + offsets).astype("datetime64[D]")
    common: Table = {
        "patient_id": sessions["patient_id"], "session_id": sessions["session_id"],
        "service_on": service_on, "payer_kind": payer,
    }  # fmt: skip
    if not program.spray:
        return [
            common | {"code": np.full(count, program.code), "units": np.full(count, 1.0),
                      "billed_usd": np.full(count, program.price)}
        ]  # fmt: skip
    mg = 28.0 * sessions["devices"]
    medicare = payer == "medicare"
    drug = np.where(service_on >= _NEW_CODE_FROM, "J0013", "S0013")
    bundle = np.where(mg > 56, "G2083", "G2082")
    return [
        common | {
            "code": np.where(medicare, bundle, drug), "units": np.where(medicare, 1.0, mg),
            "billed_usd": np.where(medicare, np.where(mg > 56, 1290.0, 907.0),
                                   (mg * _ESKETAMINE_USD_PER_MG).round(2)),
        },
        rows_of(common, ~medicare) | {
            "code": np.full(int((~medicare).sum()), "99215"),
            "units": np.full(int((~medicare).sum()), 1.0),
            "billed_usd": np.full(int((~medicare).sum()), 180.0),
        },
    ]  # fmt: skip


def _answered(charges: Table, rng: np.random.Generator) -> Table:
    """Payers answer after some weeks; one in eleven at first denies, half of these pay later."""
    count = size(charges)
    self_pay = charges["payer_kind"] == "self_pay"
    submitted = charges["service_on"] + rng.integers(1, 5, count)
    adjudicated = submitted + rng.integers(10, 26, count)
    answered = ~self_pay & (adjudicated <= np.datetime64(LAST_DAY))
    first_denied = answered & (rng.random(count) < DENIED_SHARE)
    denied = first_denied & (rng.random(count) < 0.5)
    paid = answered & ~denied
    waiting = self_pay | (submitted > np.datetime64(LAST_DAY))
    billed = charges["billed_usd"]
    allowed = (billed * 0.62).round(2)
    by_payer = (allowed * 0.8).round(2)
    owed = np.where(self_pay, billed, np.where(paid, (allowed - by_payer).round(2), np.nan))
    asked_on = np.where(self_pay, charges["service_on"], adjudicated + 5)
    settled_on = np.where(self_pay, charges["service_on"], asked_on + rng.integers(5, 20, count))
    settled = (self_pay | (paid & (rng.random(count) < 0.85))) & (
        settled_on <= np.datetime64(LAST_DAY)
    )
    return charges | {
        "allowed_usd": np.where(paid, allowed, np.nan),
        "payer_paid_usd": np.where(paid, by_payer, np.where(self_pay, 0.0, np.nan)),
        "patient_owed_usd": owed,
        "patient_paid_usd": np.where(settled, owed, 0.0),
        "status": np.where(
            self_pay, "self_pay", np.where(paid, "paid", np.where(denied, "denied", "pending"))
        ),
        "denial_reason": np.where(denied, "no_prior_authorization", ""),
        "submitted_on": np.where(waiting, NEVER, submitted),
        "adjudicated_on": np.where(answered, adjudicated, NEVER),
        "billed_to_patient_on": np.where(
            (self_pay | paid) & (asked_on <= np.datetime64(LAST_DAY)), asked_on, NEVER
        ),
        "patient_paid_on": np.where(settled, settled_on, NEVER),
        "at_first_denied": first_denied & ~denied,
    }
