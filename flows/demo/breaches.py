"""What is done wrong in single sessions, programme by programme, and which rules must say so."""

from __future__ import annotations

import numpy as np

from flows.demo.changes import (
    LAST_READING,
    all_of,
    alone,
    by_hired,
    charted,
    dosed,
    infused_in,
    monitored_by_prescriber,
    not_read,
    not_screened,
    read,
    risen,
    scored,
    screened,
    sprayed,
    timed,
    watched,
)
from flows.demo.people import PHARMACIST, THERAPIST
from flows.demo.planting import Plant, Planting, given, neighbours
from flows.demo.programs import EMERGENCY, ESKETAMINE, IV, KAP, MDSI
from flows.demo.tables import NEVER, Column


def first_of_patient(planting: Planting) -> Column:
    """Sessions that begin a course."""
    return np.asarray(planting.care.tables["sessions"]["number"] == 0)


def later_of_patient(planting: Planting) -> Column:
    """Sessions that can be compared with a full dose before them."""
    before, _ = neighbours(planting.care)
    completed = planting.care.tables["sessions"]["status"] == "completed"
    return np.asarray(given(planting.care) & (before >= 0) & completed[before])


def last_of_patient(planting: Planting) -> Column:
    """Of these, sessions after which no other comes that would be compared with them."""
    _, after = neighbours(planting.care)
    return later_of_patient(planting) & (after < 0)


def _heavy_first(planting: Planting) -> Column:
    """First sessions of those of whom three times the dose is more than 130 mg into a muscle."""
    weight = planting.care.tables["sessions"]["weight_kg"]
    return np.asarray(first_of_patient(planting) & (weight > 65))


def _not_first(planting: Planting) -> Column:
    return ~first_of_patient(planting)


_NURSE = by_hired("monitor_id", 1)
_LOCUM = by_hired("prescriber_id", 2)
_NO_ESCORT = charted("escort_confirmed", "false")
_SATURATED_86 = read(2, "spo2_pct", 86)

_ESCORT = Plant("nobody to take the patient home", _NO_ESCORT, "escort-confirmed")
_UNFIT = Plant("left before being found fit", timed("ready_at", "discharged_at", 6), "fit-to-leave")
_SATURATION = Plant(
    "saturation of 86 %", _SATURATED_86, "oxygen-saturation low-saturation-answered"
)
_PRESSURE = Plant(
    "started at a systolic pressure of 192", read(0, "systolic_mmhg", 192), "fit-to-start"
)
_LEAVE = Plant(
    "left 45 minutes after the end",
    all_of(timed("ready_at", "ended_at", 40), timed("discharged_at", "ended_at", 45)),
    "observation-time",
)
_BREATH = Plant("six breaths a minute", read(3, "respiratory_rate_bpm", 6), "respiratory-rate")
_CONTRA = Plant(
    "a contraindication was found", screened("contraindication_review", "abnormal"),
    "contraindications",
)  # fmt: skip
_SCORE = Plant("discharge score of 8", charted("discharge_score", 8), "discharge-score")
_DIAGNOSIS = Plant("treated for something else", charted("indication", "R52"), "diagnosis")
_TRIPLE = Plant(
    "three times the dose", dosed(3), "dose-per-kg dose-step repeated-use/dose-creep",
    where=later_of_patient, dose=True,
)  # fmt: skip
_SEDATED = Plant("left at MOAA/S 4", read(LAST_READING, "sedation_moaas", 4), "sedation-gone")
_FORM = Plant("REMS form never sent", charted("rems_form_sent_at", NEVER), "rems-form")
_FASTING = Plant("not asked about eating", not_screened("fasting"), "fasting")
_AT_40 = Plant("no pressure 40 minutes after", not_read(3), "pressure-at-40")
_WATCH = Plant(
    "watched for 108 minutes", timed("monitoring_ended_at", "started_at", 108),
    "observed-from-first observed-from-last",
)  # fmt: skip

OF_IV: tuple[Plant, ...] = (
    _TRIPLE,
    Plant("dose raised by four fifths", dosed(1.8), "dose-step repeated-use/dose-creep",
          where=later_of_patient, dose=True),
    Plant("a tenth of the dose", dosed(0.1), "dose-lowest", where=last_of_patient, dose=True),
    Plant("began with more than half a milligram a kilogram", dosed(1.3), "first-dose",
          where=first_of_patient, dose=True),
    Plant("weight not charted", charted("weight_kg", np.nan), "weight-charted",
          hides="dose-per-kg dose-lowest dose-step", where=last_of_patient, dose=True),
    Plant("infused in 20 minutes", infused_in(20), "infusion-time"),
    Plant("end of the infusion not charted", charted("ended_at", NEVER),
          hides="infusion-time vitals-during-infusion vitals-during-recovery observation-time"),
    Plant("no vital signs before the infusion", not_read(0), "baseline-vitals",
          hides="fit-to-start"),
    _PRESSURE,
    Plant("38 minutes without vital signs", not_read(1, 2), "vitals-during-infusion"),
    Plant("over an hour of recovery without vital signs", not_read(4, 5),
          "vitals-during-recovery"),
    _SATURATION,
    Plant("a systolic pressure of 188, looked at again after 22 minutes",
          read(5, "systolic_mmhg", 188), "high-pressure-answered"),
    Plant("a rise of 42 at the last look", risen(0), "pressure-rise-checked"),
    Plant("a heart rate of 138", read(3, "heart_rate_bpm", 138), "heart-rate"),
    _BREATH,
    Plant("sedated to MOAA/S 2", read(3, "sedation_moaas", 2), "sedation-depth"),
    _SEDATED, _LEAVE, _SCORE, _UNFIT, _ESCORT, _CONTRA,
    Plant("monitored by the prescriber", monitored_by_prescriber,
          "staff-and-site/monitor-another"),
    Plant("monitored by a therapist", charted("monitor_id", THERAPIST),
          "staff-and-site/monitor-role", hides="staff-and-site/monitor-life-support"),
    Plant("prescribed by a pharmacist", charted("prescriber_id", PHARMACIST),
          "staff-and-site/prescriber-role", hides="staff-and-site/prescriber-registered"),
    Plant("prescribed by a locum whose licences had run out", _LOCUM,
          "staff-and-site/prescriber-license staff-and-site/prescriber-registered"
          " staff-and-site/prescriber-active"),
    Plant("monitored by a nurse whose licence had run out", _NURSE,
          "staff-and-site/monitor-license staff-and-site/monitor-life-support"),
)  # fmt: skip

_INFUSED = (_SATURATION, _UNFIT, _ESCORT, _DIAGNOSIS, _SCORE, _BREATH, _PRESSURE, _CONTRA)
_INJECTED = (
    Plant("given into a vein", charted("route", "IV"), "route"),
    _SATURATION, _UNFIT, _ESCORT, _SCORE, _BREATH, _CONTRA,
    Plant("a rise of 42 at the last look", risen(1), "pressure-rise-checked"),
)  # fmt: skip

OF_OTHERS: dict[str, tuple[Plant, ...]] = {
    ESKETAMINE: (
        _FORM, _WATCH, _AT_40, _FASTING, _ESCORT,
        Plant("began with 84 mg", all_of(sprayed(3), watched(140)), "first-dose",
              where=first_of_patient),
        Plant("112 mg", all_of(sprayed(4), watched(145)), "dose-max dose-labelled",
              where=_not_first),
        _SEDATED,
        Plant("left with a CADSS of 9", read(LAST_READING, "dissociation_cadss", 9),
              "dissociation-gone"),
        _UNFIT, _CONTRA,
        Plant("monitored by an untrained nurse whose licence had run out", _NURSE,
              "staff-and-site/monitor-license staff-and-site/monitor-life-support"
              " staff-and-site/monitor-trained"),
    ),
    MDSI: (
        Plant("began with 56 mg", sprayed(2), "first-dose-84", where=first_of_patient),
        _FORM, _FASTING, _ESCORT, _WATCH, _AT_40,
    ),
    KAP: (
        Plant("nobody to take the patient home", _NO_ESCORT, "escort"),
        Plant("saturation of 86 %", _SATURATED_86, "oxygen-saturation"),
        Plant("no therapist beside the patient", alone, "therapist-present"),
        Plant("45 minutes without vital signs", not_read(3, 4), "vitals-after-dose"),
        _UNFIT, _LEAVE,
        Plant("three times the dose", dosed(3), "dose-im", where=_heavy_first, dose=True),
        _CONTRA,
        Plant("started at a systolic pressure of 192", read(1, "systolic_mmhg", 192),
              "fit-to-start"),
    ),
    EMERGENCY: (
        Plant("no safety plan before leaving", not_screened("safety_plan"), "safety-plan"),
        Plant("saturation of 86 %", _SATURATED_86, "oxygen-saturation"),
        Plant("nobody to take the patient home", _NO_ESCORT, "escort"),
        Plant("infused in 20 minutes", infused_in(20), "infusion-time"),
        Plant("psychotic at the last screening", screened("psychosis", "positive"),
              "psychosis-screen"),
        _PRESSURE,
    ),
    "im_ketamine": _INJECTED,
    "sc_ketamine": _INJECTED,
    "ptsd": (*_INFUSED, _TRIPLE),
    "bipolar": (Plant("YMRS of 11", scored("YMRS", 11), "mania-before"), *_INFUSED),
    "anxiety_ocd": (*_INFUSED, _LEAVE),
    "alcohol_use": (
        Plant("alcohol in the breath", screened("breath_alcohol", "positive"), "breath-alcohol"),
        *_INFUSED[:5],
    ),
    "chronic_pain": (*_INFUSED[:6], _LEAVE),
}  # fmt: skip


def break_rules(planting: Planting) -> None:
    """Every plant on some sessions: more in careless clinics, one at least while there are any."""
    habit = planting.care.clinic.carelessness
    for program, plants in {IV: OF_IV, **OF_OTHERS}.items():
        room = planting.room(program) // (len(plants) * 6)
        turn = habit * 5 % len(plants)
        turned = plants if program == IV else (*plants[turn:], *plants[:turn])
        counts = [max(1, min(room, habit + (at * 7 + habit * 5) % 4)) for at in range(len(plants))]
        planting.sow(program, turned, counts)
