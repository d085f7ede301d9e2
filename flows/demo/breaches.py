"""What is done wrong in single sessions, programme by programme, and which rules must say so."""

from __future__ import annotations

import numpy as np

from flows.demo.people import PHARMACIST, THERAPIST, Care
from flows.demo.plants import Picked, Plant, Planting, given, leave_out, neighbours, readings
from flows.demo.programs import DEVICE_MG, EMERGENCY, ESKETAMINE, IV, KAP, MDSI
from flows.demo.tables import Column

NOT_MET, NOT_EVALUABLE = "not_met", "not_evaluable"
_SITE, _REPEATED = "staff-and-site", "repeated-use"


def _dosed(care: Care, picked: Picked, factor: float) -> None:
    doses = care.tables["doses"]
    amount = (doses["amount_mg"][picked] * factor).round(1)
    doses["amount_mg"][picked] = amount
    doses["opened_mg"][picked] = np.ceil(amount / 100) * 100
    doses["wasted_mg"][picked] = (doses["opened_mg"][picked] - amount).round(1)


def _triple_dose(care: Care, picked: Picked) -> None:
    _dosed(care, picked, 3)


def _higher_dose(care: Care, picked: Picked) -> None:
    _dosed(care, picked, 1.8)


def _tenth_of_dose(care: Care, picked: Picked) -> None:
    _dosed(care, picked, 0.1)


def _first_dose_raised(care: Care, picked: Picked) -> None:
    _dosed(care, picked, 1.3)


def _devices(care: Care, picked: Picked, count: int) -> None:
    sessions, doses = care.tables["sessions"], care.tables["doses"]
    sessions["devices"][picked] = count
    doses["devices"][picked] = count
    for column in ("amount_mg", "opened_mg"):
        doses[column][picked] = count * DEVICE_MG
    end = sessions["started_at"][picked] + np.timedelta64(5 * (count - 1), "m")
    sessions["ended_at"][picked] = end
    doses["ended_at"][picked] = end


def _two_devices(care: Care, picked: Picked) -> None:
    _devices(care, picked, 2)


def _three_devices(care: Care, picked: Picked) -> None:
    _devices(care, picked, 3)
    # Those who watch longer, so that this is all that is wrong.
    _watched(care, picked, 140)


def _four_devices(care: Care, picked: Picked) -> None:
    _devices(care, picked, 4)
    _watched(care, picked, 145)


def _watched(care: Care, picked: Picked, minutes: int) -> None:
    sessions = care.tables["sessions"]
    over = sessions["started_at"][picked] + np.timedelta64(minutes, "m")
    sessions["monitoring_ended_at"][picked] = over
    sessions["ready_at"][picked] = over + np.timedelta64(2, "m")
    sessions["discharged_at"][picked] = over + np.timedelta64(4, "m")
    sessions["rems_form_minutes"][picked] = minutes
    care.tables["vitals"]["measured_at"][readings(care, picked, 7)] = over


def _short_watch(care: Care, picked: Picked) -> None:
    sessions = care.tables["sessions"]
    over = sessions["started_at"][picked] + np.timedelta64(108, "m")
    sessions["monitoring_ended_at"][picked] = over


def _no_weight(care: Care, picked: Picked) -> None:
    care.tables["sessions"]["weight_kg"][picked] = np.nan


def _hasty_infusion(care: Care, picked: Picked) -> None:
    end = care.tables["sessions"]["started_at"][picked] + np.timedelta64(20, "m")
    care.tables["sessions"]["ended_at"][picked] = end
    care.tables["doses"]["ended_at"][picked] = end


def _no_end(care: Care, picked: Picked) -> None:
    care.tables["sessions"]["ended_at"][picked] = np.datetime64("NaT")


def _no_baseline(care: Care, picked: Picked) -> None:
    leave_out(care, "vitals", readings(care, picked, 0))


def _gap_during(care: Care, picked: Picked) -> None:
    leave_out(care, "vitals", readings(care, picked, 1, 2))


def _gap_after(care: Care, picked: Picked) -> None:
    leave_out(care, "vitals", readings(care, picked, 4, 5))


def _gap_at_40(care: Care, picked: Picked) -> None:
    leave_out(care, "vitals", readings(care, picked, 3))


def _gap_after_injection(care: Care, picked: Picked) -> None:
    leave_out(care, "vitals", readings(care, picked, 3, 4))


def _read(care: Care, picked: Picked, reading: int, column: str, value: float) -> None:
    care.tables["vitals"][column][readings(care, picked, reading)] = value


def _high_pressure(care: Care, picked: Picked) -> None:
    _read(care, picked, 0, "systolic_mmhg", 192)


def _high_pressure_at_injection(care: Care, picked: Picked) -> None:
    _read(care, picked, 1, "systolic_mmhg", 192)


def _high_pressure_after(care: Care, picked: Picked) -> None:
    _read(care, picked, 5, "systolic_mmhg", 188)


def _rise_at_the_end(care: Care, picked: Picked, before: int = 0) -> None:
    vitals = care.tables["vitals"]
    start = vitals["systolic_mmhg"][readings(care, picked, before)]
    vitals["systolic_mmhg"][readings(care, picked, 7)] = start + 42


def _rise_after_injection(care: Care, picked: Picked) -> None:
    _rise_at_the_end(care, picked, 1)


def _low_saturation(care: Care, picked: Picked) -> None:
    _read(care, picked, 2, "spo2_pct", 86)


def _fast_heart(care: Care, picked: Picked) -> None:
    _read(care, picked, 3, "heart_rate_bpm", 138)


def _slow_breath(care: Care, picked: Picked) -> None:
    _read(care, picked, 3, "respiratory_rate_bpm", 6)


def _deep_sedation(care: Care, picked: Picked) -> None:
    _read(care, picked, 3, "sedation_moaas", 2)


def _still_sedated(care: Care, picked: Picked) -> None:
    _read(care, picked, 7, "sedation_moaas", 4)


def _still_dissociated(care: Care, picked: Picked) -> None:
    _read(care, picked, 7, "dissociation_cadss", 9)


def _early_leave(care: Care, picked: Picked) -> None:
    sessions = care.tables["sessions"]
    sessions["ready_at"][picked] = sessions["ended_at"][picked] + np.timedelta64(40, "m")
    sessions["discharged_at"][picked] = sessions["ended_at"][picked] + np.timedelta64(45, "m")


def _left_unfit(care: Care, picked: Picked) -> None:
    sessions = care.tables["sessions"]
    sessions["ready_at"][picked] = sessions["discharged_at"][picked] + np.timedelta64(6, "m")


def _low_score(care: Care, picked: Picked) -> None:
    care.tables["sessions"]["discharge_score"][picked] = 8


def _no_escort(care: Care, picked: Picked) -> None:
    care.tables["sessions"]["escort_confirmed"][picked] = "false"


def _screened(care: Care, picked: Picked, kind: str) -> Column:
    screenings = care.tables["screenings"]
    theirs = np.isin(screenings["session_id"], care.tables["sessions"]["session_id"][picked])
    return np.flatnonzero(theirs & (screenings["kind"] == kind))


def _contraindication(care: Care, picked: Picked) -> None:
    at = _screened(care, picked, "contraindication_review")
    care.tables["screenings"]["result"][at] = "abnormal"


def _no_fasting(care: Care, picked: Picked) -> None:
    leave_out(care, "screenings", _screened(care, picked, "fasting"))


def _no_safety_plan(care: Care, picked: Picked) -> None:
    leave_out(care, "screenings", _screened(care, picked, "safety_plan"))


def _psychotic(care: Care, picked: Picked) -> None:
    care.tables["screenings"]["result"][_screened(care, picked, "psychosis")] = "positive"


def _alcohol(care: Care, picked: Picked) -> None:
    care.tables["screenings"]["result"][_screened(care, picked, "breath_alcohol")] = "positive"


def _manic(care: Care, picked: Picked) -> None:
    outcomes = care.tables["outcomes"]
    theirs = np.isin(outcomes["session_id"], care.tables["sessions"]["session_id"][picked])
    outcomes["total"][theirs & (outcomes["instrument"] == "YMRS")] = 11


def _alone(care: Care, picked: Picked) -> None:
    contacts = care.tables["contacts"]
    theirs = np.isin(contacts["session_id"], care.tables["sessions"]["session_id"][picked])
    leave_out(care, "contacts", np.flatnonzero(theirs))


def _no_form(care: Care, picked: Picked) -> None:
    care.tables["sessions"]["rems_form_sent_at"][picked] = np.datetime64("NaT")


def _other_diagnosis(care: Care, picked: Picked) -> None:
    care.tables["sessions"]["indication"][picked] = "R52"


def _other_route(care: Care, picked: Picked) -> None:
    care.tables["sessions"]["route"][picked] = "IV"


def _monitored_by(care: Care, picked: Picked, staff: int) -> None:
    care.tables["sessions"]["monitor_id"][picked] = staff


def _by_prescriber(care: Care, picked: Picked) -> None:
    sessions = care.tables["sessions"]
    sessions["monitor_id"][picked] = sessions["prescriber_id"][picked]


def _by_therapist(care: Care, picked: Picked) -> None:
    _monitored_by(care, picked, THERAPIST)


def _by_agency_nurse(care: Care, picked: Picked) -> None:
    _monitored_by(care, picked, int(care.tables["staff"]["staff_id"][-1]))


def _by_pharmacist(care: Care, picked: Picked) -> None:
    care.tables["sessions"]["prescriber_id"][picked] = PHARMACIST


def _by_locum(care: Care, picked: Picked) -> None:
    care.tables["sessions"]["prescriber_id"][picked] = care.tables["staff"]["staff_id"][-2]


def _first(planting: Planting) -> Column:
    return np.asarray(planting.care.tables["sessions"]["number"] == 0)


def last_of_patient(planting: Planting) -> Column:
    """Sessions after which no other comes that would be compared with them, but one before them
    with a full dose."""
    _, after = neighbours(planting.care)
    return _later(planting) & (after < 0)


def _later(planting: Planting) -> Column:
    """Sessions that can be compared with a full dose before them."""
    before, _ = neighbours(planting.care)
    completed = planting.care.tables["sessions"]["status"] == "completed"
    return np.asarray(given(planting.care) & (before >= 0) & completed[before])


_ESCORT = Plant("nobody to take the patient home", _no_escort, {"escort-confirmed": NOT_MET})
_UNFIT = Plant("left before being found fit", _left_unfit, {"fit-to-leave": NOT_MET})
_SATURATION = Plant(
    "saturation of 86 %", _low_saturation,
    {"oxygen-saturation": NOT_MET, "low-saturation-answered": NOT_MET},
)  # fmt: skip
_PRESSURE = Plant(
    "started at a systolic pressure of 192", _high_pressure, {"fit-to-start": NOT_MET}
)
_LEAVE = Plant("left 45 minutes after the end", _early_leave, {"observation-time": NOT_MET})
_BREATH = Plant("six breaths a minute", _slow_breath, {"respiratory-rate": NOT_MET})
_CONTRA = Plant("a contraindication was found", _contraindication, {"contraindications": NOT_MET})
_SCORE = Plant("discharge score of 8", _low_score, {"discharge-score": NOT_MET})
_DIAGNOSIS = Plant("treated for something else", _other_diagnosis, {"diagnosis": NOT_MET})
_TRIPLE = Plant(
    "three times the dose", _triple_dose,
    {"dose-per-kg": NOT_MET, "dose-step": NOT_MET, f"{_REPEATED}/dose-creep": NOT_MET},
    _later, dose=True,
)  # fmt: skip
_FORM = Plant("REMS form never sent", _no_form, {"rems-form": NOT_MET})
_FASTING = Plant("not asked about eating", _no_fasting, {"fasting": NOT_MET})
_AT_40 = Plant("no pressure 40 minutes after", _gap_at_40, {"pressure-at-40": NOT_MET})
_WATCH = Plant(
    "watched for 108 minutes", _short_watch,
    {"observed-from-first": NOT_MET, "observed-from-last": NOT_MET},
)  # fmt: skip
_SEDATED = Plant("left at MOAA/S 4", _still_sedated, {"sedation-gone": NOT_MET})

OF_IV: tuple[Plant, ...] = (
    _TRIPLE,
    Plant("dose raised by four fifths", _higher_dose,
          {"dose-step": NOT_MET, f"{_REPEATED}/dose-creep": NOT_MET},
          _later, dose=True),
    Plant("a tenth of the dose", _tenth_of_dose, {"dose-lowest": NOT_MET}, last_of_patient,
          dose=True),
    Plant("began with more than half a milligram a kilogram", _first_dose_raised,
          {"first-dose": NOT_MET}, _first, dose=True),
    Plant("weight not charted", _no_weight,
          {"weight-charted": NOT_MET, "dose-per-kg": NOT_EVALUABLE, "dose-lowest": NOT_EVALUABLE,
           "dose-step": NOT_EVALUABLE}, last_of_patient, dose=True),
    Plant("infused in 20 minutes", _hasty_infusion, {"infusion-time": NOT_MET}),
    Plant("end of the infusion not charted", _no_end,
          {"infusion-time": NOT_EVALUABLE, "vitals-during-infusion": NOT_EVALUABLE,
           "vitals-during-recovery": NOT_EVALUABLE, "observation-time": NOT_EVALUABLE}),
    Plant("no vital signs before the infusion", _no_baseline,
          {"baseline-vitals": NOT_MET, "fit-to-start": NOT_EVALUABLE}),
    _PRESSURE,
    Plant("38 minutes without vital signs", _gap_during, {"vitals-during-infusion": NOT_MET}),
    Plant("over an hour of recovery without vital signs", _gap_after,
          {"vitals-during-recovery": NOT_MET}),
    _SATURATION,
    Plant("a systolic pressure of 188, looked at again after 22 minutes", _high_pressure_after,
          {"high-pressure-answered": NOT_MET}),
    Plant("a rise of 42 at the last look", _rise_at_the_end, {"pressure-rise-checked": NOT_MET}),
    Plant("a heart rate of 138", _fast_heart, {"heart-rate": NOT_MET}),
    _BREATH,
    Plant("sedated to MOAA/S 2", _deep_sedation, {"sedation-depth": NOT_MET}),
    _SEDATED,
    _LEAVE,
    _SCORE,
    _UNFIT,
    _ESCORT,
    _CONTRA,
    Plant("monitored by the prescriber", _by_prescriber, {f"{_SITE}/monitor-another": NOT_MET}),
    Plant("monitored by a therapist", _by_therapist,
          {f"{_SITE}/monitor-role": NOT_MET, f"{_SITE}/monitor-life-support": NOT_EVALUABLE}),
    Plant("prescribed by a pharmacist", _by_pharmacist,
          {f"{_SITE}/prescriber-role": NOT_MET, f"{_SITE}/prescriber-registered": NOT_EVALUABLE}),
    Plant("prescribed by a locum whose licences had run out", _by_locum,
          {f"{_SITE}/prescriber-license": NOT_MET, f"{_SITE}/prescriber-registered": NOT_MET,
           f"{_SITE}/prescriber-active": NOT_MET}),
    Plant("monitored by a nurse whose licence had run out", _by_agency_nurse,
          {f"{_SITE}/monitor-license": NOT_MET, f"{_SITE}/monitor-life-support": NOT_MET}),
)  # fmt: skip

_INFUSED = (_SATURATION, _UNFIT, _ESCORT, _DIAGNOSIS, _SCORE, _BREATH, _PRESSURE, _CONTRA)
_INJECTED = (
    Plant("given into a vein", _other_route, {"route": NOT_MET}),
    _SATURATION, _UNFIT, _ESCORT, _SCORE, _BREATH, _CONTRA,
    Plant("a rise of 42 at the last look", _rise_after_injection,
          {"pressure-rise-checked": NOT_MET}),
)  # fmt: skip

OF_OTHERS: dict[str, tuple[Plant, ...]] = {
    ESKETAMINE: (
        _FORM,
        _WATCH,
        _AT_40,
        _FASTING,
        _ESCORT,
        Plant("began with 84 mg", _three_devices, {"first-dose": NOT_MET}, _first),
        Plant("112 mg", _four_devices, {"dose-max": NOT_MET, "dose-labelled": NOT_MET},
              lambda planting: ~_first(planting)),
        _SEDATED,
        Plant("left with a CADSS of 9", _still_dissociated, {"dissociation-gone": NOT_MET}),
        _UNFIT,
        _CONTRA,
        Plant("monitored by an untrained nurse whose licence had run out", _by_agency_nurse,
              {f"{_SITE}/monitor-license": NOT_MET, f"{_SITE}/monitor-life-support": NOT_MET,
               f"{_SITE}/monitor-trained": NOT_MET}),
    ),
    MDSI: (
        Plant("began with 56 mg", _two_devices, {"first-dose-84": NOT_MET}, _first),
        _FORM, _FASTING, _ESCORT, _WATCH, _AT_40,
    ),
    KAP: (
        Plant("nobody to take the patient home", _no_escort, {"escort": NOT_MET}),
        Plant("saturation of 86 %", _low_saturation, {"oxygen-saturation": NOT_MET}),
        Plant("no therapist beside the patient", _alone, {"therapist-present": NOT_MET}),
        Plant("45 minutes without vital signs", _gap_after_injection,
              {"vitals-after-dose": NOT_MET}),
        _UNFIT,
        _LEAVE,
        Plant("three times the dose", _triple_dose, {"dose-im": NOT_MET},
              lambda planting: _first(planting) & _heavy(planting), dose=True),
        _CONTRA,
        Plant("started at a systolic pressure of 192", _high_pressure_at_injection,
              {"fit-to-start": NOT_MET}),
    ),
    EMERGENCY: (
        Plant("no safety plan before leaving", _no_safety_plan, {"safety-plan": NOT_MET}),
        Plant("saturation of 86 %", _low_saturation, {"oxygen-saturation": NOT_MET}),
        Plant("nobody to take the patient home", _no_escort, {"escort": NOT_MET}),
        Plant("infused in 20 minutes", _hasty_infusion, {"infusion-time": NOT_MET}),
        Plant("psychotic at the last screening", _psychotic, {"psychosis-screen": NOT_MET}),
        _PRESSURE,
    ),
    "im_ketamine": _INJECTED,
    "sc_ketamine": _INJECTED,
    "ptsd": (*_INFUSED, _TRIPLE),
    "bipolar": (Plant("YMRS of 11", _manic, {"mania-before": NOT_MET}), *_INFUSED),
    "anxiety_ocd": (*_INFUSED, _LEAVE),
    "alcohol_use": (
        Plant("alcohol in the breath", _alcohol, {"breath-alcohol": NOT_MET}), *_INFUSED[:5],
    ),
    "chronic_pain": (*_INFUSED[:6], _LEAVE),
}  # fmt: skip


def _heavy(planting: Planting) -> Column:
    """Patients of whom three times the dose is more than 130 mg into a muscle."""
    return np.asarray(planting.care.tables["sessions"]["weight_kg"] > 65)


def break_rules(planting: Planting) -> None:
    """Every plant on some sessions: more in careless clinics, one at least while there are any."""
    habit = planting.care.clinic.carelessness
    for program, plants in {IV: OF_IV, **OF_OTHERS}.items():
        room = planting.room(program) // (len(plants) * 6)
        turn = habit * 5 % len(plants)
        turned = plants if program == IV else (*plants[turn:], *plants[:turn])
        counts = [max(1, min(room, habit + (at * 7 + habit * 5) % 4)) for at in range(len(plants))]
        planting.sow(program, turned, counts)
