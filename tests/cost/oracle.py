"""The oracle of cost: each table in slow, plain Python, one session at a time, in exact fractions.

It shares no code with the metrics: what is costed and checked is the plain data of the YAML file,
facts are lists of dicts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from importlib.resources import files
from math import floor
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from checks.strict_yaml import parse

Row = dict[str, Any]
HELD = parse((files("protocols") / "costs.yaml").read_text(encoding="utf-8")).data
COSTING = HELD["costing"]
PRICED = COSTING["drugs"]["rates"]
FREE = COSTING["free"]["acquisitions"]
ROLES = COSTING["staff"]["roles"]
DECIDED, DENIED = COSTING["answers"]["decided"], COSTING["answers"]["denied"]
MONTH_DAYS = Fraction(str(COSTING["month"]["days"]))
BILL_DAYS = timedelta(days=COSTING["bill"]["days"])
GAP, DAY, WITHIN = timedelta(days=60), 28, 7


class Network(Protocol):
    """What is known at `as_of`."""

    @property
    def facts(self) -> Mapping[str, list[Row]]: ...
    @property
    def as_of(self) -> datetime: ...
    @property
    def cutoffs(self) -> Mapping[tuple[str, str], datetime]: ...
    @property
    def versions(self) -> Sequence[Row]: ...
    @property
    def subjects(self) -> Sequence[Row]: ...
    @property
    def outcomes(self) -> Sequence[Row]: ...
    @property
    def lost(self) -> Sequence[tuple[str, str]]: ...
    @property
    def programs(self) -> Mapping[str, str]: ...


def usd(exact: Fraction | None) -> Decimal | None:
    """To a millionth, half up."""
    if exact is None:
        return None
    return Decimal(floor(exact * 10**6 + Fraction(1, 2))) / 10**6


def total(values: Iterable[Any]) -> Any:
    """The sum of what is known; null where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def ratio(number: Any, by: int) -> Decimal | None:
    return None if number is None or by == 0 else usd(Fraction(number) / by)


def mean(values: Sequence[int]) -> float | None:
    return sum(values) / len(values) if values else None


def zone(network: Network, clinic: str) -> ZoneInfo | None:
    for row in network.facts["clinics"]:
        if row["clinic_id"] == clinic:
            return ZoneInfo(row["time_zone"])
    return None


def day_at(network: Network, clinic: str, at: datetime | None) -> date | None:
    there = zone(network, clinic)
    return at.astimezone(there).date() if at is not None and there is not None else None


def rate(network: Network, session: Row, resource: str, day: date | None) -> Fraction | None:
    """In force on the day: the clinic's before the network's, the programme's before any."""
    if day is None:
        return None
    own = session["program"]
    for clinic in (session["clinic_id"], None):
        for program in (own, network.programs.get(own, own), None):
            mine = [
                row for row in network.facts["rates"]
                if row["clinic_id"] == clinic and row["program"] == program
                and row["resource"] == resource and row["effective_from"] <= day
            ]  # fmt: skip
            if mine:
                latest = max(row["effective_from"] for row in mine)
                first = min((r for r in mine if r["effective_from"] == latest),
                            key=lambda r: r["rate_id"])  # fmt: skip
                return Fraction(first["amount"])
    return None


def doses_of(network: Network, session: Row) -> list[Row]:
    return [
        row for row in network.facts["doses"]
        if row["clinic_id"] == session["clinic_id"] and row["session_id"] == session["session_id"]
        and row["started_at"] <= network.as_of
    ]  # fmt: skip


def start_of(network: Network, session: Row) -> datetime | None:
    first = [row["started_at"] for row in doses_of(network, session)]
    return session["started_at"] or min(first, default=None)


def charges_in_time(network: Network) -> list[Row]:
    """Those whose day has begun at their clinic."""
    found = []
    for row in network.facts["charges"]:
        there = zone(network, row["clinic_id"])
        if there is not None:
            begins = datetime.combine(row["service_on"], time(), there).astimezone(UTC)
            if begins <= network.as_of:
                found.append(row)
    return found


def charges_of(network: Network, session: Row) -> list[Row]:
    return [
        row for row in charges_in_time(network)
        if row["clinic_id"] == session["clinic_id"] and row["session_id"] == session["session_id"]
    ]  # fmt: skip


def staff(network: Network, session: Row, day: date | None) -> Fraction | None:
    if day is None:
        return None
    cost = Fraction(0)
    for role in ROLES:
        minutes = rate(network, session, f"{role}_minutes_session", day)
        if minutes:
            hour = rate(network, session, f"{role}_hour", day)
            if hour is None:
                return None
            cost += minutes * hour / 60
    return cost


def sessions(network: Network) -> dict[tuple[str, str], Row]:
    """cost_sessions by clinic and session."""
    found = {}
    for session in network.facts["sessions"]:
        late = session["started_at"] is not None and session["started_at"] > network.as_of
        if session["status"] in ("completed", "aborted") and not late:
            key = session["clinic_id"], session["session_id"]
            found[key] = _session(network, session)
    return found


def _session(network: Network, session: Row) -> Row:
    at = start_of(network, session) or session["scheduled_at"]
    day = day_at(network, session["clinic_id"], at)
    bought = [d for d in doses_of(network, session)
              if d["acquisition"] not in FREE and d["drug"] in PRICED]  # fmt: skip
    parts: dict[str, Fraction | None] = {}
    for part, column in (("drug_usd", "amount_mg"), ("waste_usd", "wasted_mg")):
        costs = []
        for dose in bought:
            each = rate(network, session, PRICED[dose["drug"]], day)
            costs.append(None if each is None else each * Fraction(dose[column] or 0))
        parts[part] = None if None in costs else sum(costs, Fraction(0))
    parts["staff_usd"] = staff(network, session, day)
    came, left = session["arrived_at"], session["discharged_at"]
    hour = rate(network, session, "room_hour", day)
    parts["room_usd"] = None
    if came is not None and left is not None and left >= came and hour is not None:
        parts["room_usd"] = (
            Fraction((left - came) // timedelta(microseconds=1)) * hour / 3_600_000_000
        )
    parts["supplies_usd"] = rate(network, session, "supplies_session", day)
    parts["overhead_usd"] = rate(network, session, "overhead_session", day)
    row: Row = {name: usd(part) for name, part in parts.items()}
    row["cost_usd"] = None if None in row.values() else sum(row.values())
    row |= _money(network, session)
    received = (
        None if row["payer_paid_usd"] is None else row["payer_paid_usd"] + row["patient_paid_usd"]
    )
    row["margin_usd"] = None
    if received is not None and row["cost_usd"] is not None:
        row["margin_usd"] = received - row["cost_usd"]
    row["patient_share"] = float(row["patient_paid_usd"]) / float(received) if (
        received is not None and received > 0) else None  # fmt: skip
    row["local_date"] = day
    row["program"] = network.programs.get(session["program"], session["program"])
    row["lacks"] = _lacks(network, session, day, bought)
    return row


def _lacks(network: Network, session: Row, day: date | None, bought: list[Row]) -> set[str]:
    lacks = set()
    if day is None:
        lacks.add("local_date")
    else:
        needed = {PRICED[dose["drug"]] for dose in bought}
        needed |= {"room_hour", "supplies_session", "overhead_session"}
        needed |= {f"{role}_hour" for role in ROLES
                   if rate(network, session, f"{role}_minutes_session", day)}  # fmt: skip
        lacks |= {name for name in needed if rate(network, session, name, day) is None}
    came, left = session["arrived_at"], session["discharged_at"]
    lacks |= {name for name in ("arrived_at", "discharged_at") if session[name] is None}
    if came and left and left < came:
        lacks.add("discharged_at before arrived_at")
    return lacks


def _money(network: Network, session: Row) -> Row:
    charges = charges_of(network, session)
    if not charges:
        nothing = Decimal(0) if (session["clinic_id"], "charges") in network.cutoffs else None
        return {"billed_usd": nothing, "payer_paid_usd": nothing, "patient_paid_usd": nothing,
                "allowed_usd": None, "patient_owed_usd": None, "payer_kind": None, "charges": 0,
                "billed_to_patient_on": None}  # fmt: skip
    largest = max(row["billed_usd"] for row in charges)
    payer = min((row for row in charges if row["billed_usd"] == largest),
                key=lambda row: row["charge_id"])  # fmt: skip
    bills = [row["billed_to_patient_on"] for row in charges
             if row["billed_to_patient_on"] and (row["patient_owed_usd"] or 0) > 0]  # fmt: skip
    return {
        **{name: sum((row[name] or Decimal(0)) for row in charges)
           for name in ("billed_usd", "payer_paid_usd", "patient_paid_usd")},
        **{name: total(row[name] for row in charges)
           for name in ("allowed_usd", "patient_owed_usd")},
        "payer_kind": payer["payer_kind"], "charges": len(charges),
        "billed_to_patient_on": min(bills, default=None),
    }  # fmt: skip


def first_answer(network: Network, charge: Row) -> str | None:
    """The first version in which the payer had decided."""
    key = charge["clinic_id"], charge["charge_id"]
    before = sorted(
        (row for row in network.versions if (row["clinic_id"], row["charge_id"]) == key
         and not row.get("_withdrawn") and not row.get("_absent")),
        key=lambda row: row["said_at"],
    )  # fmt: skip
    for version in [*before, charge]:
        if version["status"] in DECIDED:
            return str(version["status"])
    return None


def month_of(day: date | None) -> date | None:
    return day.replace(day=1) if day else None


def compliant(network: Network, key: tuple[str, str]) -> bool:
    told = [row["status"] for row in network.subjects
            if (row["clinic_id"], row["subject_id"]) == key]  # fmt: skip
    return bool(told) and all(status in ("compliant", "minor_misses") for status in told)


def monthly(network: Network) -> dict[tuple[Any, ...], Row]:
    """cost_monthly by clinic, programme, payer and month."""
    groups: dict[tuple[Any, ...], list[tuple[tuple[str, str], Row]]] = defaultdict(list)
    for key, row in sessions(network).items():
        group = key[0], row["program"], row["payer_kind"], month_of(row["local_date"])
        groups[group].append((key, row))
    return {group: _month(network, rows) for group, rows in groups.items()}


def _month(network: Network, rows: list[tuple[tuple[str, str], Row]]) -> Row:
    costed = [(key, row) for key, row in rows if row["cost_usd"] is not None]
    cost = total(row["cost_usd"] for _, row in costed)
    good = [key for key, _ in rows if compliant(network, key)]
    good_costed = [key for key, _ in costed if compliant(network, key)]
    named = [{"clinic_id": key[0], "session_id": key[1]} for key, _ in rows]
    charges = [charge for session in named for charge in charges_of(network, session)]
    answers = [first_answer(network, charge) for charge in charges]
    told = [answer for answer in answers if answer]
    submitted, paid = [], []
    for charge in charges:
        if charge["submitted_on"]:
            days = (charge["submitted_on"] - charge["service_on"]).days
            submitted += [days] if days >= 0 else []
            if charge["status"] == "paid" and charge["adjudicated_on"]:
                days = (charge["adjudicated_on"] - charge["submitted_on"]).days
                paid += [days] if days >= 0 else []
    denied = told.count(DENIED)
    return {
        "sessions": len(rows), "sessions_costed": len(costed), "cost_usd": cost,
        "sessions_without_charge": sum(row["charges"] == 0 for _, row in rows),
        "compliant_sessions": len(good), "compliant_costed": len(good_costed),
        "cost_per_session_usd": ratio(cost, len(costed)),
        "cost_per_compliant_session_usd": ratio(cost, len(good_costed)),
        **{name: total(row[name] for _, row in rows)
           for name in ("billed_usd", "allowed_usd", "payer_paid_usd", "patient_owed_usd",
                        "patient_paid_usd", "margin_usd")},
        "charges_answered": len(told),
        "charges_pending": sum(charge["status"] == "pending" for charge in charges),
        "charges_denied_first": denied,
        "first_pass_denial_rate": denied / len(told) if told else None,
        "days_to_submit": mean(submitted), "days_to_payment": mean(paid),
    }  # fmt: skip


def missing(network: Network) -> dict[tuple[Any, ...], int]:
    """How many sessions lack what, by clinic, programme and month."""
    found: dict[tuple[Any, ...], int] = defaultdict(int)
    for key, row in sessions(network).items():
        for name in row["lacks"]:
            found[key[0], row["program"], month_of(row["local_date"]), name] += 1
    return dict(found)


def no_shows(network: Network) -> dict[tuple[Any, ...], Row]:
    """cost_no_shows by clinic, programme and month."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for session in network.facts["sessions"]:
        at = session["scheduled_at"]
        if session["status"] == "no_show" and at is not None and at <= network.as_of:
            day = day_at(network, session["clinic_id"], at)
            program = network.programs.get(session["program"], session["program"])
            room = rate(network, session, "room_hour", day)
            people, minutes = staff(network, session, day), session["scheduled_minutes"]
            cost = None
            if room is not None and people is not None and minutes is not None:
                cost = usd(room * minutes / 60) + usd(people)  # type: ignore[operator]
            groups[session["clinic_id"], program, month_of(day)].append(
                {"cost": cost, "minutes": minutes or 0}
            )
    return {
        group: {
            "no_shows": len(rows),
            "no_shows_costed": sum(row["cost"] is not None for row in rows),
            "scheduled_minutes": sum(row["minutes"] for row in rows),
            "cost_usd": total(row["cost"] for row in rows),
        }
        for group, rows in groups.items()
    }


# --- courses and cohorts ---


def courses(network: Network) -> dict[tuple[Any, ...], Row]:
    """cost_courses by clinic, patient, protocol and course."""
    costed = sessions(network)
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for subject in network.subjects:
        if subject["course"] is not None:
            key = tuple(subject[n] for n in ("clinic_id", "patient_id", "protocol", "course"))
            groups[key].append(subject)
    return {key: _course(network, key[0], rows, costed) for key, rows in groups.items()}


def _course(
    network: Network, clinic: str, subjects: list[Row], costed: Mapping[tuple[str, str], Row]
) -> Row:
    rows = [(s, costed[clinic, s["subject_id"]]) for s in subjects]
    costs = [row["cost_usd"] for _, row in rows]
    known = None not in costs
    last = max(s["started_at"] for s in subjects)
    last_day = day_at(network, clinic, last)
    first_day = day_at(network, clinic, subjects[0]["course_started_at"])
    assert first_day is not None
    assert last_day is not None
    end = first_day + timedelta(days=DAY + WITHIN - 1)
    early = [row["cost_usd"] for s, row in rows if s["local_date"] <= end]
    bill = min((r["billed_to_patient_on"] for _, r in rows if r["billed_to_patient_on"]),
               default=None)  # fmt: skip
    seen = network.cutoffs.get((clinic, "sessions"))
    ended = seen is not None and last + GAP < min(seen, network.as_of)
    by_patient = total(row["patient_paid_usd"] for _, row in rows)
    by_payer = total(row["payer_paid_usd"] for _, row in rows)
    paid = None if by_patient is None else by_patient + by_payer
    return {
        "sessions": len(rows), "sessions_costed": sum(cost is not None for cost in costs),
        "cost_usd": sum(costs) if known else None,
        "cost_by_outcome_usd": sum(early, Decimal(0)) if known else None,
        **{name: total(row[name] for _, row in rows)
           for name in ("billed_usd", "allowed_usd", "payer_paid_usd", "patient_owed_usd",
                        "patient_paid_usd")},
        "patient_share": float(by_patient) / float(paid) if paid is not None and paid > 0 else None,
        "last_session_on": last_day, "first_bill_on": bill, "ended": ended,
        "ended_after_bill": last_day <= bill <= last_day + BILL_DAYS if ended and bill else None,
    }  # fmt: skip


def cohorts(network: Network) -> dict[tuple[Any, ...], Row]:
    """cost_cohorts by clinic, programme and month."""
    told = courses(network)
    groups: dict[tuple[Any, ...], list[tuple[Row, Row]]] = defaultdict(list)
    for row in network.outcomes:
        if row["mature"]:
            clinic = row["clinic_id"]
            month = month_of(day_at(network, clinic, row["course_started_at"]))
            key = tuple(row[n] for n in ("clinic_id", "patient_id", "protocol", "course"))
            groups[clinic, row["program"], month].append((row, told[key]))
    return {group: _cohort(network, group[0], rows) for group, rows in groups.items()}


def _cohort(network: Network, clinic: str, rows: list[tuple[Row, Row]]) -> Row:
    costed = [(row, course) for row, course in rows if course["cost_usd"] is not None]
    responders = sum(bool(row["response_at_induction_end"]) for row, _ in costed)
    remitters = sum(bool(row["remission_at_induction_end"]) for row, _ in costed)
    cost = total(course["cost_usd"] for _, course in costed)
    early = total(course["cost_by_outcome_usd"] for _, course in costed)
    days = sum(_response_days(network, clinic, row) for row, _ in costed)
    month = None if cost is None or days == 0 else usd(Fraction(cost) * MONTH_DAYS / days)
    return {
        "courses_started": len(rows),
        "courses_without_outcome": sum(row["induction_end"] is None for row, _ in rows),
        "courses_costed": len(costed),
        "responders": sum(bool(row["response_at_induction_end"]) for row, _ in rows),
        "remitters": sum(bool(row["remission_at_induction_end"]) for row, _ in rows),
        "responders_costed": responders, "remitters_costed": remitters, "response_days": days,
        "cost_usd": cost, "cost_by_outcome_usd": early,
        "cost_per_responder_usd": ratio(cost, responders),
        "cost_per_remitter_usd": ratio(cost, remitters),
        "cost_by_outcome_per_responder_usd": ratio(early, responders),
        "cost_by_outcome_per_remitter_usd": ratio(early, remitters),
        "cost_per_response_month_usd": month,
    }  # fmt: skip


def _response_days(network: Network, clinic: str, row: Row) -> int:
    responded, until = row["responded_at"], row["treated_until"]
    if responded is None or responded > until:
        return 0
    relapsed = row["relapsed_at"]
    end = relapsed if relapsed is not None and relapsed <= until else row["followed_until"]
    first, last = day_at(network, clinic, responded), day_at(network, clinic, end)
    assert first is not None
    assert last is not None
    return (last - first).days


# --- checks of codes ---


def findings(network: Network) -> dict[tuple[str, str, str], str]:
    """Status by clinic, charge and check, of those that do not agree."""
    found = {}
    for charge in charges_in_time(network):
        for check in HELD["checks"]:
            if charge["code"].strip().upper() in check["codes"]:
                agrees = _agrees(network, charge, check)
                if not agrees:
                    key = charge["clinic_id"], charge["charge_id"], check["id"]
                    found[key] = "not_evaluable" if agrees is None else "disagrees"
    return found


def _agrees(network: Network, charge: Row, check: Row) -> bool | None:
    if "in_force" in check:
        first, last = check["in_force"].get("from"), check["in_force"].get("to")
        on = charge["service_on"]
        return bool((first is None or on >= first) and (last is None or on <= last))
    if "without" in check:
        day = ("clinic_id", "patient_id", "service_on")
        same = [row for row in charges_in_time(network) if all(row[n] == charge[n] for n in day)]
        return not any(row["code"].strip().upper() in check["without"] for row in same)
    named = [row for row in network.facts["sessions"]
             if row["clinic_id"] == charge["clinic_id"]
             and row["session_id"] == charge["session_id"]]  # fmt: skip
    if not named:
        return None
    (session,) = named
    if "routes" in check:
        return session["route"] in check["routes"] if session["route"] else None
    if "infusion" in check:
        start, end = start_of(network, session), session["ended_at"]
        if start is None or end is None:
            return None
        return bool((end - start) >= timedelta(minutes=check["infusion"]["at_least"]))
    key = session["clinic_id"], session["session_id"]
    if (key[0], "doses") not in network.cutoffs or key in network.lost:
        return None
    doses = doses_of(network, session)
    if "not_acquired" in check:
        return not any(dose["acquisition"] in check["not_acquired"] for dose in doses)
    drug = check.get("units_mg_of") or check["dose"]["drug"]
    mg = sum((dose["amount_mg"] for dose in doses if dose["drug"] == drug), Decimal(0))
    if "units_mg_of" in check:
        return None if charge["units"] is None else charge["units"] == mg
    limits = check["dose"]
    return bool(mg > limits["above"] and mg <= limits.get("at_most", mg))
