"""What sessions are billed, and what the network's resources cost.

Prices lie within the ranges of clinical-facts section 6 (IV list price 400 to 800 dollars a
session, 590 and 885 dollars for 56 and 84 mg of esketamine, what Medicare allows for G2082 and
G2083); they shape the sample only. Payers allow ALLOWED_SHARE of what they are billed.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from flows.demo.calendar import LAST_DAY
from flows.demo.people import Care
from flows.demo.planting import Planting
from flows.demo.programs import ESKETAMINE, KAP, MDSI, PAIN, PROGRAMS, Program
from flows.demo.tables import NEVER, Column, Table, numbers, rows_of, size, stacked

DENIED_SHARE = 0.09
ALLOWED_SHARE = 0.62
# J0013 replaced S0013 on this day.
_NEW_CODE_FROM = np.datetime64("2026-01-01")
# Billed with a margin, so that what is allowed is the drug's price and a little more.
_ESKETAMINE_BILLED_PER_MG = 590 / 56 * 1.75
_G2082_USD, _G2083_USD = 907 / ALLOWED_SHARE, 1290 / ALLOWED_SHARE

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


def plant_codes(planting: Planting) -> None:
    """Charges that do not say what was done: an old code, units of packages, a dose too high."""
    charges = planting.care.tables["charges"]
    drug = np.flatnonzero(charges["code"] == "J0013")
    low = np.flatnonzero(charges["code"] == "G2082")
    sessions = planting.care.tables["sessions"]
    in_vein = np.isin(charges["session_id"], sessions["session_id"][sessions["route"] == "IV"])
    injected = np.flatnonzero((charges["code"] == "96372") & in_vein)
    for row, column, value, check, reason in (
        (drug[:1], "code", "S0013", "s0013_in_force", "billed by the code of the year before"),
        (drug[1:2], "units", 1.0, "esketamine_units", "one unit for the whole dose"),
        (low[:1], "code", "G2083", "g2083_dose", "56 mg billed as more"),
        (injected, "code", "96372", "injection_route", "billed as the injection it should be"),
    ):
        charges[column][row] = value
        for number in charges["charge_id"][row].tolist():
            planting.note("billing", "charges", "charge", "charge_id", number, check, "disagrees",
                          reason=reason)  # fmt: skip


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
        # G2082 and G2083 hold the drug: whose drug a pharmacy sends is with another payer.
        payer = np.where(_by_pharmacy(np.arange(len(payer))) & (payer == "medicare"),
                         "commercial", payer)  # fmt: skip
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
    bought = ~medicare & ~_by_pharmacy(sessions["patient"])
    high = mg > 56
    # Medicare pays for drug, visit and observation at once; others for each by itself, and for the
    # drug only where the clinic bought it.
    at_once = {"code": np.where(high, "G2083", "G2082"), "units": np.full(count, 1.0),
               "billed_usd": np.where(high, _G2083_USD, _G2082_USD).round(2)}  # fmt: skip
    drug = {"code": np.where(service_on >= _NEW_CODE_FROM, "J0013", "S0013"), "units": mg,
            "billed_usd": (mg * _ESKETAMINE_BILLED_PER_MG).round(2)}  # fmt: skip
    visit = {"code": np.full(count, "99215"), "units": np.full(count, 1.0),
             "billed_usd": np.full(count, 290.0)}  # fmt: skip
    observed = {"code": np.full(count, "99417"), "units": np.full(count, 4.0),
                "billed_usd": np.full(count, 220.0)}  # fmt: skip
    return [
        rows_of(common | at_once, medicare), rows_of(common | drug, bought),
        rows_of(common | visit, ~medicare), rows_of(common | observed, ~medicare),
    ]  # fmt: skip


def _by_pharmacy(patient: Column) -> Column:
    """Whose esketamine a specialty pharmacy sends."""
    return np.asarray(patient % 2 == 0)


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
    allowed = (billed * ALLOWED_SHARE).round(2)
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
