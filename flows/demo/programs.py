"""The sample network's programmes, as plain data: how each is given, watched, scored and billed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

IV, ESKETAMINE, KAP, TAKE_HOME = "iv_ketamine", "esketamine", "kap", "take_home"
MDSI, EMERGENCY, PAIN = "esketamine_mdsi", "emergency", "chronic_pain"
BIPOLAR, ALCOHOL = "bipolar", "alcohol_use"
DEVICE_MG = 28

# Days from the first session. Infusions: six, then at growing distance, no more than three within
# seven days. Esketamine by its label: twice weekly, weekly, every other week.
_IV_DAYS = (0, 3, 7, 10, 14, 17, 24, 31, 45, 59, 73, 87, 101, 115)
_ESKETAMINE_DAYS = (0, 3, 7, 10, 14, 17, 21, 24, 28, 35, 42, 49, 63, 77, 91, 105)
# What those do who keep to no plan: four sessions in the first week; nine in four weeks, and two
# in one week of the third month.
HURRIED_DAYS = np.array((0, 2, 4, 6, *_IV_DAYS[4:]))
CROWDED_DAYS = np.array((0, 3, 6, 9, 12, 15, 18, 21, 24, 31, 45, 62, 65, 87))
# And what those do who want more: weekly again from the eleventh week on.
EAGER_DAYS = np.array((0, 3, 7, 10, 14, 17, 24, 31, 45, 59, 73, 80, 87, 94))

Days = NDArray[Any]


@dataclass(frozen=True)
class Reading:
    """Readings at these minutes from the start. The reading at `during_last` is moved to the end
    of administration where there is one, the last to the end of monitoring."""

    minutes: tuple[int, ...]
    during_last: int | None = None


_INFUSION = Reading((-12, 12, 26, 38, 62, 90, 112, 120), 3)
_SPRAY = Reading((-15, 10, 25, 40, 60, 80, 105, 135))
_INJECTION = Reading((-12, 0, 15, 30, 45, 60, 90, 120))
_LONG_INFUSION = Reading((-12, 15, 30, 45, 60, 90, 120, 150, 180, 210, 240, 270, 300), 10)


@dataclass(frozen=True)
class Program:
    """One programme. A dose is `mg_per_kg`, or `mg`, or devices of a spray (`mg` of the first).
    `minutes` and `watched` are ranges: of administration, and of what follows."""

    name: str
    days: tuple[int, ...]
    least: int
    route: str = "IV"
    drug: str = "ketamine"
    mg_per_kg: float | None = 0.5
    mg: int = 0
    minutes: tuple[int, int] = (38, 41)
    watched: tuple[int, int] = (78, 84)
    booked_minutes: int = 150
    readings: Reading = _INFUSION
    indications: tuple[str, ...] = ("F33.2", "F32.2", "F33.1")
    instrument: str = ""
    instrument_most: int = 0
    medication: str = ""
    code: str = "96365"
    price: float = 550.0
    payers: tuple[tuple[str, float], ...] = (("self_pay", 0.7), ("commercial", 0.3))
    stopped_share: float = 0.0

    @property
    def spray(self) -> bool:
        """Whether it is given in devices."""
        return self.drug == "esketamine"

    @property
    def long(self) -> bool:
        """Whether a session takes up a chair for the better part of a day."""
        return self.minutes[1] > 60

    @property
    def plan(self) -> Days:
        """Days of its sessions."""
        return np.array(self.days)


_ESKETAMINE = Program(
    ESKETAMINE, _ESKETAMINE_DAYS, 8, route="IN", drug="esketamine", mg_per_kg=None,
    mg=2 * DEVICE_MG, minutes=(10, 11), watched=(124, 134), booked_minutes=165, readings=_SPRAY,
    payers=(("commercial", 0.65), ("medicaid", 0.2), ("medicare", 0.15)),
)  # fmt: skip
_NEEDLE = Program(
    "im_ketamine", (0, 3, 7, 10, 14, 17, 21, 24, 31, 45), 8, route="IM", minutes=(1, 2),
    watched=(119, 120), booked_minutes=180, readings=_INJECTION, code="96372",
)  # fmt: skip

# Those that have sessions, in the order in which these are numbered. Infusions for depression come
# first.
PROGRAMS: tuple[Program, ...] = (
    Program(IV, _IV_DAYS, 5, stopped_share=0.015),
    _ESKETAMINE,
    replace(_NEEDLE, name=KAP, days=(0, 14, 28), least=2, mg_per_kg=0.7, price=900.0,
            payers=(("self_pay", 0.9), ("other", 0.1))),
    replace(_ESKETAMINE, name=MDSI, days=_ESKETAMINE_DAYS[:8], mg=3 * DEVICE_MG,
            medication="antidepressant"),
    _NEEDLE,
    replace(_NEEDLE, name="sc_ketamine", route="SC"),
    Program("ptsd", _IV_DAYS[:9], 8, indications=("F43.10", "F43.12"), instrument="PCL-5",
            instrument_most=80),
    Program(BIPOLAR, _IV_DAYS[:9], 8, indications=("F31.4", "F31.30"), instrument="MADRS",
            instrument_most=60, medication="mood_stabilizer"),
    Program("anxiety_ocd", _IV_DAYS[:9], 8, indications=("F42.2", "F41.1"), instrument="Y-BOCS",
            instrument_most=40),
    Program(ALCOHOL, (0, 7, 14, 35, 63), 5, mg_per_kg=0.8, minutes=(40, 42), watched=(78, 82),
            indications=("F10.20",), instrument="AUDIT-C", instrument_most=12),
    Program(PAIN, (0, 1, 2, 3, 4, 30, 58), 6, mg_per_kg=None, mg=80, minutes=(240, 241),
            watched=(58, 60), booked_minutes=330, readings=_LONG_INFUSION,
            indications=("G89.4", "G90.511"), instrument="BPI-severity", instrument_most=10,
            price=1200.0),
    Program(EMERGENCY, (0, 1), 1, indications=("R45.851",), price=700.0),
)  # fmt: skip
BY_NAME = {program.name: program for program in PROGRAMS}
SPRAYS = tuple(program.name for program in PROGRAMS if program.spray)

# Of each forty patients: two in ten have esketamine, one in ten injections with psychotherapy, one
# lozenges at home, ten the smaller programmes, the others infusions for depression.
_TEN = (IV, ESKETAMINE, IV, KAP, IV, IV, TAKE_HOME, IV, ESKETAMINE, IV)
_SMALL = {
    10: MDSI, 12: "im_ketamine", 14: "sc_ketamine", 15: "ptsd", 17: BIPOLAR, 20: "anxiety_ocd",
    22: ALCOHOL, 24: PAIN, 25: EMERGENCY, 27: EMERGENCY,
}  # fmt: skip
CYCLE = np.array([_SMALL.get(at, _TEN[at % 10]) for at in range(40)])
