"""The oracle of outcomes: each table in slow, plain Python, one patient at a time.

It shares no code with the metrics: scales are the plain data of the YAML file, facts are lists of
dicts. Courses are of one protocol that judges completed sessions of its programmes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from math import exp, log, sqrt
from typing import Any
from zoneinfo import ZoneInfo

from checks.strict_yaml import parse
from tests.oracle import World

Row = dict[str, Any]
HELD = parse((files("protocols") / "instruments.yaml").read_text(encoding="utf-8")).data
RULES = HELD["courses"]
SLACK = 1e-9
BASELINE = timedelta(days=int(RULES["baseline"]["within"].removesuffix("d")))


def key_of(scale: Row) -> str:
    version = scale.get("instrument_version")
    return f"{scale['instrument']} {version}" if version else scale["instrument"]


SCALES = {key_of(scale): scale for scale in HELD["instruments"]}


# --- scores ---


def score(row: Row) -> Row:
    """scale, score, prorated, level and warning of one outcome."""
    name, version = row["instrument"], (row.get("instrument_version") or "").strip()
    found = SCALES.get(name) or SCALES.get(f"{name} {version}")
    nothing: Row = {"scale": None, "score": None, "prorated": False, "level": None}
    if found is None:
        versioned = any(scale["instrument"] == name for scale in HELD["instruments"])
        return nothing | {"warning": "unknown_version" if versioned else "unknown_instrument"}
    answer: Row = nothing | {"scale": key_of(found), "warning": None}
    charted, held = row["total"], found.get("items")
    low, high = found["range"]["least"], found["range"]["most"]
    possible = charted is not None and low <= charted <= high
    triage = found["scoring"]["by"] == "triage"
    if held is None or not (row["items"] or "").strip():
        if charted is None:
            return answer | {"warning": "nothing_charted"}
        if triage:
            answer["level"] = "not said" if charted > low else None
        elif possible:
            answer["score"] = charted
        return answer | {"warning": None if possible else "total_out_of_range"}
    written = [text.strip() for text in row["items"].split(";")]
    items = [number(text, held) for text in written[: held["count"]]]
    items += [None] * (held["count"] - len(items))
    answer["level"] = level_of(found, items)
    if any(written[held["count"] + held.get("unscored", 0) :]):
        return answer | {"warning": "too_many_items"}
    if any(impossible(at, value, held) for at, value in enumerate(items)):
        return answer | {"warning": "item_out_of_range"}
    if triage:
        needed = [items[item - 1] for item in found["scoring"]["needed"]]
        undecided = answer["level"] is None and None in needed
        return answer | {"warning": "unanswered" if undecided else None}
    total, prorated = total_of(found["scoring"], items)
    answer |= {"score": total, "prorated": prorated}
    if total is None:
        return answer | {"warning": "unanswered"}
    off = charted is not None and abs(total - charted) > (
        found["scoring"].get("tolerance", 0) + SLACK
    )
    return answer | {"warning": "total_disagrees" if off else None}


def impossible(at: int, value: float | None, held: Row) -> bool:
    most = held.get("most")
    most = most[at] if isinstance(most, list) else most
    return value is not None and (value < held["least"] or (most is not None and value > most))


def number(text: str, held: Row) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if value in held.get("missing_codes", ()) else value


def level_of(scale: Row, items: Sequence[float | None]) -> str | None:
    if "suicidality" in scale:
        held = scale["suicidality"]
        value = items[held["item"] - 1]
        return held["level"] if value is not None and value >= held["least"] else None
    for level in scale["scoring"].get("levels", ()):
        if any((items[item - 1] or 0) > 0 for item in level["any_of"]):
            found: str = level["level"]
            return found
    return None


def total_of(scoring: Row, items: Sequence[float | None]) -> tuple[float | None, bool]:
    given = [value for value in items if value is not None]
    missing = len(items) - len(given)
    if scoring["by"] == "domains":
        for at, value in enumerate(items, start=1):
            pairs = [group for group in scoring["either"] if at in group]
            if value is None and not any(
                items[o - 1] is not None for group in pairs for o in group
            ):
                return None, False
        domains = [[items[item - 1] for item in domain] for domain in scoring["domains"]]
        return sum(max(v for v in domain if v is not None) for domain in domains), False
    if scoring["by"] == "mean":
        return (None if missing else sum(given) / len(items)), False
    if missing == 0:
        return sum(given), False
    if missing > scoring.get("prorate", 0):
        return None, False
    return float(round(sum(given) * len(items) / len(given))), True


# --- courses ---


def outcome_courses(world: World, protocol: Row) -> dict[tuple[Any, ...], Row]:
    """Rows by clinic, patient, course and scale."""
    found: dict[tuple[Any, ...], Row] = {}
    for clinic in world.facts["clinics"]:
        mine = {feed: [r for r in rows if r["clinic_id"] == clinic["clinic_id"]]
                for feed, rows in world.facts.items()}  # fmt: skip
        patients = {row["patient_id"] for row in mine["sessions"]}
        for patient in patients:
            of_patient = {feed: [r for r in rows if r.get("patient_id") == patient]
                          for feed, rows in mine.items()}  # fmt: skip
            for key, row in _of_patient(world, clinic, of_patient, protocol).items():
                found[(clinic["clinic_id"], patient, *key)] = row
    return found


def _of_patient(
    world: World, clinic: Row, facts: Mapping[str, list[Row]], protocol: Row
) -> dict[tuple[int, str], Row]:
    starts = sorted(
        row["started_at"]
        for row in facts["sessions"]
        if row["status"] == "completed" and row["program"] in protocol["programs"]
        and row["started_at"] is not None and row["started_at"] <= world.as_of
    )  # fmt: skip
    gap = timedelta(days=int(protocol["course"]["gap"].removesuffix("d")))
    courses: list[list[datetime]] = []
    for start in starts:
        if courses and start - courses[-1][-1] <= gap:
            courses[-1].append(start)
        else:
            courses.append([start])
    outcomes = [{**row, **score(row)} for row in facts["outcomes"]
                if row["administered_at"] <= world.as_of]  # fmt: skip
    outcomes = sorted((row for row in outcomes if row["score"] is not None),
                      key=lambda row: (row["administered_at"], row["outcome_id"]))  # fmt: skip
    found = {}
    for at, course in enumerate(courses):
        end = courses[at + 1][0] if at + 1 < len(courses) else None
        own = [row for row in outcomes if row["administered_at"] >= course[0] - BASELINE
               and (end is None or row["administered_at"] <= end)]  # fmt: skip
        primary = (protocol.get("primary") or {}).get("instrument")
        for scale in {row["scale"] for row in own} | ({primary} if primary else set()):
            rows = [row for row in own if row["scale"] == scale]
            held = SCALES.get(scale, {})
            found[at + 1, scale] = _read(world, clinic, course, rows, scale, held, protocol, gap)
    return found


def day_at(clinic: Row, at: datetime) -> date:
    return at.astimezone(ZoneInfo(clinic["time_zone"])).date()


def _read(
    world: World,
    clinic: Row,
    course: list[datetime],
    rows: list[Row],
    scale: str,
    held: Row,
    protocol: Row,
    gap: timedelta,
) -> Row:
    primary = protocol.get("primary") or {}
    start = course[0]
    first_day = day_at(clinic, start)
    before = [row for row in rows if row["administered_at"] <= start]
    after = [row for row in rows if row["administered_at"] > start]
    base = before[-1]["score"] if before else None
    minimum = held.get("baseline_minimum", {}).get("least", 0)
    eligible = None if base is None else base > 0 and base >= minimum
    fall = held.get("response", {}).get("fall")
    cut = held.get("remission", {}).get("cut")
    if scale == primary.get("instrument") and primary.get("remission") is not None:
        cut = primary["remission"]

    def response(row: Row) -> bool | None:
        if not eligible or fall is None:
            return None
        return bool(row["score"] <= base * (1 - fall) + SLACK)

    def remission(row: Row) -> bool | None:
        return bool(row["score"] <= cut + SLACK) if eligible and cut is not None else None

    def ever(test: Any) -> bool | None:
        told = [test(row) for row in after]
        return None if not told or told[0] is None else any(told)

    responses = [row["administered_at"] for row in after if response(row)]
    responded = responses[0] if responses else None
    until = course[-1] + gap
    relapses = [
        row["administered_at"] for row in after
        if responded is not None and row["administered_at"] > responded
        and row["score"] > base * (1 - RULES["relapse"]["fall_below"]) + SLACK
    ]  # fmt: skip
    seen = [row["administered_at"] for row in after
            if responded is not None and responded <= row["administered_at"] <= until]  # fmt: skip
    near = None
    if primary:
        placed = [
            (abs((day_at(clinic, row["administered_at"]) - first_day).days + 1 - primary["day"]),
             row) for row in after
        ]  # fmt: skip
        within = [(off, row) for off, row in placed if off <= primary["within"]]
        least = min((off for off, _ in within), default=None)
        near = [row for off, row in within if off == least][-1] if within else None
    return {
        "sessions": len(course), "outcomes": len(after), "baseline": base,
        "baseline_at": before[-1]["administered_at"] if before else None,
        "eligible": eligible, "prorated": sum(row["prorated"] for row in rows),
        "latest": after[-1]["score"] if after else None,
        "latest_at": after[-1]["administered_at"] if after else None,
        "best": _best(after, held), "response_ever": ever(response),
        "response_latest": response(after[-1]) if after else None,
        "remission_ever": ever(remission),
        "remission_latest": remission(after[-1]) if after else None,
        "responded_at": responded, "relapsed_at": relapses[0] if relapses else None,
        "days_to_response": (day_at(clinic, responded) - first_day).days if responded else None,
        "induction_end": near["score"] if near else None,
        "response_at_induction_end": response(near) if near else None,
        "remission_at_induction_end": remission(near) if near else None,
        "reliable_change": _reliable(base, after[-1]["score"] if after else None, held),
        "mature": _mature(world, clinic, first_day, primary) if primary else None,
        "treated_until": until, "followed_until": seen[-1] if seen else None,
        "is_primary": scale == primary.get("instrument"),
    }  # fmt: skip


def _best(after: Sequence[Row], held: Row) -> float | None:
    if not after:
        return None
    best: float = (max if held.get("better") == "higher" else min)(row["score"] for row in after)
    return best


def _reliable(base: float | None, latest: float | None, held: Row) -> str | None:
    if base is None or latest is None or "reliable_change" not in held:
        return None
    points = held["reliable_change"]["points"]
    change = base - latest
    if change >= points:
        return "improved"
    return "deteriorated" if -change >= points else "unchanged"


def _mature(world: World, clinic: Row, first_day: date, primary: Row) -> bool:
    """Whether the midnight after the last day is not later than just after the cut-off."""
    cutoff = world.cutoffs.get((clinic["clinic_id"], "outcomes"))
    if cutoff is None:
        return False
    over = first_day + timedelta(days=primary["day"] + primary["within"])
    midnight = datetime.combine(over, time(), ZoneInfo(clinic["time_zone"])).astimezone(UTC)
    return cutoff >= midnight - timedelta(microseconds=1)


# --- curves and screens ---


def kaplan_meier(days: Sequence[int], relapsed: Sequence[bool]) -> list[Row]:
    """Product-limit curve, Greenwood's variance, 95 % limits on the log-log scale."""
    points, survival, variance = [], 1.0, 0.0
    for day in sorted({0, *days}):
        at_risk = sum(other >= day for other in days)
        lost = [event for other, event in zip(days, relapsed, strict=True) if other == day]
        events = sum(lost)
        if events:
            survival *= 1 - events / at_risk
            if events < at_risk:
                variance += events / (at_risk * (at_risk - events))
        low = high = None
        if 1e-12 < survival < 1:
            spread = 1.959963984540054 * sqrt(variance) / abs(log(survival))
            low, high = (exp(log(survival) * exp(sign * spread)) for sign in (1, -1))
        points.append(
            {"day": day, "at_risk": at_risk, "relapsed": events, "censored": len(lost) - events,
             "survival": survival, "survival_low": low, "survival_high": high}
        )  # fmt: skip
    return points


def responses(world: World, protocol: Row) -> dict[tuple[Any, ...], tuple[int, bool, bool]]:
    """days, relapsed and psychotherapy of each course that responded while it was treated."""
    clinics = {row["clinic_id"]: row for row in world.facts["clinics"]}
    starts = {}
    found = {}
    rows = outcome_courses(world, protocol)
    for (clinic_id, patient, course, _), row in rows.items():
        if not row["is_primary"] or row["responded_at"] is None:
            continue
        if row["responded_at"] > row["treated_until"]:
            continue
        clinic = clinics[clinic_id]
        relapsed = row["relapsed_at"] is not None and row["relapsed_at"] <= row["treated_until"]
        end = row["relapsed_at"] if relapsed else row["followed_until"]
        first = day_at(clinic, row["responded_at"])
        starts[course] = day_at(clinic, row["responded_at"])
        begun = first - timedelta(days=row["days_to_response"])
        had = 0
        for contact in took_place(world):
            if (contact["clinic_id"], contact["patient_id"]) != (clinic_id, patient):
                continue
            at = contact["at"]
            course_start = _course_start(world, clinic, patient, begun, protocol)
            had += (
                contact["kind"] in RULES["psychotherapy"]["kinds"]
                and at >= course_start - BASELINE
                and day_at(clinic, at) <= first + timedelta(days=RULES["landmark"]["days"])
            )
        found[clinic_id, patient, course] = (
            (day_at(clinic, end) - first).days, relapsed, had >= RULES["psychotherapy"]["at_least"]
        )  # fmt: skip
    return found


def _course_start(world: World, clinic: Row, patient: str, day: date, protocol: Row) -> datetime:
    """The first session of that local day: a course begins with it."""
    found: datetime = min(
        row["started_at"] for row in world.facts["sessions"]
        if (row["clinic_id"], row["patient_id"]) == (clinic["clinic_id"], patient)
        and row["status"] == "completed" and row["program"] in protocol["programs"]
        and row["started_at"] is not None and day_at(clinic, row["started_at"]) == day
    )  # fmt: skip
    return found


def took_place(world: World) -> list[Row]:
    """Contacts up to as_of, with their time."""
    found = [
        {**row, "at": row["started_at"] or row["scheduled_at"]}
        for row in world.facts["contacts"]
        if row["status"] == "completed" or (row["status"] is None and row["started_at"])
    ]
    return [row for row in found if row["at"] is not None and row["at"] <= world.as_of]


def suicidality(world: World) -> dict[tuple[str, str], tuple[Any, ...]]:
    """level, next contact and status by clinic and outcome."""
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    lengths = {level: _length(text) for level, text in RULES["suicidality"]["within"].items()}
    for row in world.facts["outcomes"]:
        level = score(row)["level"]
        if level is None or row["administered_at"] > world.as_of:
            continue
        at, who = row["administered_at"], (row["clinic_id"], row["patient_id"])
        due = at + lengths.get(level, min(lengths.values()))
        later = [c["at"] for c in took_place(world)
                 if (c["clinic_id"], c["patient_id"]) == who and c["at"] > at]  # fmt: skip
        following = min(later, default=None)
        cutoff = world.cutoffs.get((row["clinic_id"], "contacts"))
        lost = any((q["clinic_id"], q["patient_id"]) == who and q["feed"] == "contacts"
                   for q in world.quarantined)  # fmt: skip
        if following is not None and following <= due:
            status = "in_time"
        elif cutoff is None or lost:
            status = "not_evaluable"
        elif due > cutoff:
            status = "pending"
        else:
            status = "late" if following else "missed"
        found[row["clinic_id"], row["outcome_id"]] = (level, following, status)
    return found


def _length(text: str) -> timedelta:
    unit = {"h": "hours", "d": "days"}[text[-1]]
    return timedelta(**{unit: int(text[:-1])})
