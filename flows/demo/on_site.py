"""What is wrong at a clinic on a day: papers that ran out, nobody on a shift, a chair taken."""

from __future__ import annotations

import numpy as np

from flows.demo.calendar import LAST_DAY
from flows.demo.people import Care
from flows.demo.planting import NOT_MET, SITE, Planting, given, leave_out
from flows.demo.programs import SPRAYS
from flows.demo.tables import NEVER, size, stacked


def hire(care: Care) -> None:
    """A locum and a nurse of an agency, whose papers are not in order; they have no shifts."""
    staff = care.tables["staff"]
    count = size(staff)
    over, ahead = np.datetime64("2024-12-31"), np.datetime64(LAST_DAY) + 400
    care.tables["staff"] = stacked(staff, {
        "staff_id": np.array([count + 1, count + 2]),
        "role": np.array(["prescriber", "nurse"]),
        "license_expires_on": np.array([over, over]),
        "bls_expires_on": np.array([ahead, over]),
        "acls_expires_on": np.array([ahead, over]),
        "dea_expires_on": np.array([over, NEVER]),
        "rems_trained_on": np.array([np.datetime64("2024-02-01"), ahead]),
        "active_from": np.array([np.datetime64("2023-01-02")] * 2),
        "active_to": np.array([over, NEVER]),
    })  # fmt: skip


def leave_alone(planting: Planting, latest: np.datetime64) -> None:
    """A day on which neither prescriber nor nurse had a shift."""
    care = planting.care
    sessions, shifts = care.tables["sessions"], care.tables["shifts"]
    days = sessions["day"][given(care) & (sessions["started_at"] < latest)]
    if not len(days):
        return
    day = int(np.sort(days)[len(days) // 2])
    roles = care.tables["staff"]["role"][shifts["staff_id"] - 1]
    gone = (shifts["day"] == day) & np.isin(roles, ("prescriber", "nurse"))
    leave_out(care, "shifts", np.flatnonzero(gone))
    then = given(care) & (sessions["day"] == day)
    rules = ("advanced-life-support-at-start", "advanced-life-support-at-discharge",
             "second-person", "prescriber-on-site")  # fmt: skip
    reason = "neither prescriber nor nurse had a shift"
    planting.breach(np.flatnonzero(then), reason, {f"{SITE}/{rule}": NOT_MET for rule in rules})
    planting.breach(
        np.flatnonzero(then & np.isin(sessions["program"], SPRAYS)), reason,
        {"prescriber-on-site": NOT_MET, "prescriber-until-end": NOT_MET},
    )  # fmt: skip


def seat_twice(planting: Planting) -> None:
    """A patient put into a chair that is taken."""
    care = planting.care
    sessions = care.tables["sessions"]
    started = sessions["started_at"]
    held = given(care) & (sessions["status"] == "completed")
    for at in planting.free.tolist():
        beside = held & (sessions["day"] == sessions["day"][at]) & (started < started[at])
        beside &= sessions["discharged_at"] > started[at]
        found = np.flatnonzero(beside)
        if len(found):
            planting.drop(np.array([at]))
            sessions["chair"][at] = sessions["chair"][found[0]]
            planting.breach(
                np.array([at]), "in a chair that was taken", {f"{SITE}/chair-free": NOT_MET}
            )
            return
