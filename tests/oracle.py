"""The oracle: section 3 of the contract in slow, plain Python, one judged row at a time.

It shares no code with the engine. Protocols are plain data (a parsed YAML file), facts are lists
of dicts, and DuckDB evaluates each expression on one row. Where the contract's words leave a
choice, the function that makes it says which reading it takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from checks.contract import contracts

Row = dict[str, Any]
Scope = Mapping[str, tuple[str, Any]]
MICROSECOND = timedelta(microseconds=1)
SLACK = 1e-9
EVENT_TIMES = {
    "vitals": "measured_at", "doses": "started_at", "outcomes": "administered_at",
    "screenings": "performed_at", "contacts": "started_at", "dispenses": "dispensed_at",
    "events": "started_at", "sessions": "started_at", "shifts": "started_at",
    "medications": "started_on", "charges": "service_on",
}  # fmt: skip
JUDGED = {
    "sessions": ("session_id", "session"),
    "dispenses": ("dispense_id", "dispense"),
    "outcomes": ("outcome_id", "outcome"),
}
BY_SESSION = {"vitals", "doses", "events"}
HIDDEN = {"given_name", "family_name", "postal_code", "phone", "birth_date", "person_id"}
DOSE_COLUMNS = {
    "dose_mg", "dose_count", "dose_mg_per_kg", "first_dose_at", "last_dose_at", "lifetime_index",
}  # fmt: skip
MET_WHEN_NONE = {"doses", "events", "dispenses", "sessions", "charges"}
SQL_TYPES = {
    "text": "VARCHAR", "time": "VARCHAR", "int": "BIGINT", "number": "DOUBLE",
    "decimal": "DOUBLE", "bool": "BOOLEAN", "date": "DATE", "timestamp": "TIMESTAMPTZ",
}  # fmt: skip
DERIVED = {
    "local_date": "DATE", "age_years": "BIGINT", "dose_mg": "DOUBLE", "dose_count": "BIGINT",
    "dose_mg_per_kg": "DOUBLE", "first_dose_at": "TIMESTAMPTZ", "last_dose_at": "TIMESTAMPTZ",
    "infusion_minutes": "DOUBLE", "course": "BIGINT", "course_index": "BIGINT",
    "course_started_at": "TIMESTAMPTZ", "course_day": "BIGINT", "course_week": "BIGINT",
    "lifetime_index": "BIGINT", "previous_started_at": "TIMESTAMPTZ",
    "next_started_at": "TIMESTAMPTZ", "amount_mg": "DOUBLE",
    "previous_dispensed_at": "TIMESTAMPTZ", "previous_local_date": "DATE",
    "previous_days_supply": "BIGINT", **{f"item_{n}": "DOUBLE" for n in range(1, 41)},
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """What is known at `as_of`: rows in force by feed, cut-offs, and rows in quarantine."""

    facts: Mapping[str, Sequence[Row]]
    cutoffs: Mapping[tuple[str, str], datetime]
    quarantined: Sequence[Row]
    as_of: datetime

    @cached_property
    def zones(self) -> dict[str, ZoneInfo]:
        return {row["clinic_id"]: ZoneInfo(row["time_zone"]) for row in self.facts["clinics"]}

    @cached_property
    def evidence(self) -> dict[str, list[Row]]:
        """Rows whose event lies not after as_of, each with `_at`, its event as an instant."""
        found: dict[str, list[Row]] = {}
        for feed, rows in self.facts.items():
            found[feed] = []
            for row in rows:
                at = event_of(self, feed, row)
                if at is None or at <= self.as_of:
                    found[feed].append({**row, "_at": at})
        for session in found.get("sessions", []):
            if session["started_at"] is None:
                session["_at"] = min(
                    (dose["started_at"] for dose in doses_of(found, session)), default=None
                )
        return found


@dataclass
class Answer:
    """Verdicts by (clinic, subject, protocol, version, rule) and subjects' statuses."""

    verdicts: dict[tuple[str, str, str, str, str], tuple[str, float | None]] = field(
        default_factory=dict
    )
    subjects: dict[tuple[str, str, str, str], str] = field(default_factory=dict)


def judge(protocols: Sequence[Row], world: World) -> Answer:
    """Every verdict of every protocol on every row it judges."""
    answer = Answer()
    for name in sorted({protocol["protocol"] for protocol in protocols}):
        versions = [protocol for protocol in protocols if protocol["protocol"] == name]
        for version, row in judged_rows(versions, world):
            statuses = []
            for rule in version["rules"]:
                status, observed = Verdict(version, rule, row, world).decide()
                key = (row["clinic_id"], row["_id"], name, version["version"], rule["id"])
                answer.verdicts[key] = (status, observed)
                statuses.append((rule["severity"], status))
            answer.subjects[(row["clinic_id"], row["_id"], name, version["version"])] = (
                subject_status(statuses)
            )
    return answer


def subject_status(statuses: Iterable[tuple[str, str]]) -> str:
    held = set(statuses)
    found = {status for _, status in held}
    if {("critical", "not_met"), ("major", "not_met")} & held:
        return "non_compliant"
    if "pending" in found:
        return "pending"
    if "not_evaluable" in found:
        return "incomplete"
    return "minor_misses" if ("minor", "not_met") in held else "compliant"


# --- judged rows ---------------------------------------------------------------------------------


def judged_rows(versions: Sequence[Row], world: World) -> list[tuple[Row, Row]]:
    """(version, row) for what the protocol judges; all versions share drug, gap and feed."""
    feed = versions[0].get("judges", "sessions")
    rows = [prepared(row, feed, versions[0], world) for row in world.evidence.get(feed, [])]
    if feed != "sessions":
        number_dispenses(rows, feed)
        found = [
            (version, row)
            for row in rows
            for version in versions
            if in_force(version, row["local_date"]) and in_scope(version, row, world)
        ]
        return with_governed(found, feed, world)
    rows = [row for row in rows if is_judged(row)]
    by_course = versions[0].get("in_force_by", "session") == "course"
    kept = [
        row for row in rows
        if any(in_scope(v, row, world) and (by_course or in_force(v, row["local_date"]))
               for v in versions)
    ]  # fmt: skip
    number_courses(kept, versions[0], world)
    found = []
    for row in kept:
        start = row["course_started_at"] if by_course else None
        day = local(world, row["clinic_id"], start) if start else row["local_date"]
        for version in versions:
            if in_force(version, day) and in_scope(version, row, world):
                found.append((version, row))
    return with_governed(found, feed, world)


def with_governed(found: list[tuple[Row, Row]], feed: str, world: World) -> list[tuple[Row, Row]]:
    """Each row with all that the protocol judges of its patient, as `_governed`, with `_start`."""
    for _, row in found:
        row["_start"] = row[{"sessions": "started_at", "dispenses": "dispensed_at"}.get(
            feed, "administered_at")]  # fmt: skip
    for _, row in found:
        row["_governed"] = [other for _, other in found if other["_patient"] == row["_patient"]]
    return found


def prepared(row: Row, feed: str, protocol: Row, world: World) -> Row:
    """A judged row with the columns that it alone and its patient and doses give."""
    clinic = row["clinic_id"]
    id_column, _ = JUDGED[feed]
    patient = first(world, "patients", clinic, "patient_id", row["patient_id"])
    out = {
        **dict.fromkeys(DERIVED),
        **blank(feed),
        **row,
        "_id": row[id_column],
        "_patient": (clinic, row["patient_id"]),
    }
    out["_feed"], out["_patient_row"] = feed, patient
    if feed == "sessions":
        add_doses(out, protocol, world)
        at = out["started_at"] or row["scheduled_at"]
    elif feed == "dispenses":
        out["amount_mg"] = row["strength_mg"] * row["quantity"]
        at = row["dispensed_at"]
    else:
        at = row["administered_at"]
        out.update(items(row))
    out["local_date"] = local(world, clinic, at) if at else None
    born = patient.get("birth_date")
    if born and out["local_date"]:
        out["age_years"] = age(born, out["local_date"])
    return out


def add_doses(out: Row, protocol: Row, world: World) -> None:
    given = doses_of(world.evidence, out)
    doses = [dose for dose in given if dose["drug"] == protocol.get("drug")]
    out["_any_dose"], out["_dose"] = bool(given), bool(doses)
    out["dose_count"] = len(doses)
    out["started_at"] = out["started_at"] or min((d["started_at"] for d in doses), default=None)
    if doses:
        out["dose_mg"] = sum(dose["amount_mg"] for dose in doses)
        out["dose_mg_per_kg"] = out["dose_mg"] / out["weight_kg"] if out["weight_kg"] else None
        out["first_dose_at"] = min(dose["started_at"] for dose in doses)
        if not any((d["devices"] or 0) > 1 and d["ended_at"] is None for d in doses):
            out["last_dose_at"] = max(d["ended_at"] or d["started_at"] for d in doses)
    if out["started_at"] and out["ended_at"]:
        out["infusion_minutes"] = minutes(out["ended_at"] - out["started_at"])
    if out["started_at"]:
        prior = out["_patient_row"].get("prior_sessions") or 0
        out["lifetime_index"] = prior + 1 + sum(
            1 for other in world.evidence["sessions"]
            if same_patient(other, out) and other["session_id"] != out["session_id"]
            and (start := dosed_start(world, other, protocol)) is not None
            and (start, other["session_id"]) < (out["started_at"], out["session_id"])
        )  # fmt: skip


def dosed_start(world: World, session: Row, protocol: Row) -> datetime | None:
    """Start of a session in which the protocol's drug was given, else None."""
    starts = [d["started_at"] for d in doses_of(world.evidence, session)
              if d["drug"] == protocol.get("drug")]  # fmt: skip
    return (session["started_at"] or min(starts)) if starts else None


def is_judged(row: Row) -> bool:
    return row["status"] == "completed" or (row["status"] == "aborted" and row["_dose"])


def number_courses(rows: Sequence[Row], protocol: Row, world: World) -> None:
    """Courses of each patient; a session without a start belongs to none."""
    gap = duration((protocol.get("course") or {}).get("gap", "60d"))
    for patient in {row["_patient"] for row in rows}:
        started = [row for row in rows if row["_patient"] == patient and row["started_at"]]
        started.sort(key=lambda row: (row["started_at"], row["session_id"]))
        course: list[Row] = []
        number = 0
        for row in started:
            if not course or row["started_at"] - course[-1]["started_at"] > gap.length:
                course, number = [], number + 1
            row["_previous"] = course[-1] if course else None
            row["course"], row["course_index"] = number, len(course) + 1
            row["course_started_at"] = (course[0] if course else row)["started_at"]
            first_day = local(world, row["clinic_id"], row["course_started_at"])
            row["course_day"] = (row["local_date"] - first_day).days + 1
            row["course_week"] = (row["course_day"] - 1) // 7 + 1
            if course:
                row["previous_started_at"] = course[-1]["started_at"]
                course[-1]["next_started_at"] = row["started_at"]
            course.append(row)


def number_dispenses(rows: Sequence[Row], feed: str) -> None:
    if feed != "dispenses":
        return
    last: dict[tuple[Any, ...], Row] = {}
    for row in sorted(rows, key=lambda row: (row["dispensed_at"], row["dispense_id"])):
        key = (row["_patient"], row["drug"])
        if key in last:
            row["previous_dispensed_at"] = last[key]["dispensed_at"]
            row["previous_local_date"] = last[key]["local_date"]
            row["previous_days_supply"] = last[key]["days_supply"]
        last[key] = row


def in_force(version: Row, day: date | None) -> bool:
    held = version.get("effective") or {}
    return day is not None and held["from"] <= day and (not held.get("to") or day <= held["to"])


def in_scope(version: Row, row: Row, world: World) -> bool:
    """Programmes, clinics and population; a population sees no course and no measure."""
    if version.get("programs") is not None and row.get("program") not in version["programs"]:
        return False
    if version.get("clinics") and row["clinic_id"] not in version["clinics"]:
        return False
    population = version.get("population")
    return population is None or evaluate(population, judged_scope(row, world, {})) is True


# --- one verdict ---------------------------------------------------------------------------------


class Verdict:
    """One rule on one judged row."""

    def __init__(self, protocol: Row, rule: Row, row: Row, world: World) -> None:
        self.rule, self.row, self.world = rule, row, world
        self.clinic: str = row["clinic_id"]
        self.measures: dict[str, Any] = {}
        self.kinds: dict[str, str] = {}
        self.found: dict[str, bool] = {}
        self.defined: Row = protocol.get("measures") or {}
        for name, measure in self.defined.items():
            self.measures[name] = self.measure(name, measure)

    def decide(self) -> tuple[str, float | None]:
        when = self.rule.get("when")
        if when is not None and self.evaluate(when) is not True:
            return "excluded", None
        kind = getattr(self, self.rule["kind"])
        if self.rests_on_a_feed_never_delivered():
            status, _ = kind()
            return ("excluded", None) if status == "excluded" else ("not_evaluable", None)
        if self.waits_for_a_measure():
            status, _ = kind()
            return ("excluded", None) if status == "excluded" else ("pending", None)
        status, observed = kind()
        return status, None if status == "excluded" else observed

    # what a rule rests on

    def words(self, part: Any) -> set[str]:
        """Every identifier in a part of the rule; texts in quotes left out."""
        if isinstance(part, Mapping):
            return set().union(*(self.words(value) for value in part.values()), set())
        if isinstance(part, list):
            return set().union(*(self.words(value) for value in part), set())
        if not isinstance(part, str):
            return set()
        return set(re.findall(r"[A-Za-z_][A-Za-z_0-9]*", re.sub(r"'[^']*'", "", part)))

    def named(self, *without: str) -> set[str]:
        used = {"when", "expr", "from", "to", "window", "among", "where", "trigger", "then"}
        return self.words([self.rule[key] for key in used - set(without) if key in self.rule])

    def rests_on_a_feed_never_delivered(self) -> bool:
        names = self.named()
        feeds = {self.rule.get("of")} | {
            self.rule[part]["of"] for part in ("trigger", "then") if part in self.rule
        }
        feeds |= {self.defined[name]["of"] for name in self.defined if name in names}
        if names & DOSE_COLUMNS and self.row["_feed"] == "sessions":
            feeds.add("doses")
        return any(feed and (self.clinic, feed) not in self.world.cutoffs for feed in feeds)

    def waits_for_a_measure(self) -> bool:
        for name in self.named("when") & set(self.defined):
            measure = self.defined[name]
            _, end, known = self.window(measure.get("window"))
            if known and not self.found[name] and end and end > self.cutoff(measure["of"]):
                return True
        return False

    # the kinds

    def value(self) -> tuple[str, float | None]:
        got = self.evaluate(self.rule["expr"])
        if got is None:
            return self.missing("not_evaluable"), None
        seen = float(got) if isinstance(got, bool | int | float) else None
        good = True
        if self.rule.get("min") is not None:
            good &= got >= self.rule["min"] - SLACK
        if self.rule.get("max") is not None:
            good &= got <= self.rule["max"] + SLACK
        if self.rule.get("in") is not None:
            good &= any(same(got, allowed) for allowed in self.rule["in"])
        if self.rule.get("is") is not None:
            good &= same(got, self.rule["is"])
        return met(good), seen

    def elapsed(self) -> tuple[str, float | None]:
        begin, end = self.anchor(self.rule["from"]), self.anchor(self.rule["to"])
        if begin is None:
            return "not_evaluable", None
        longest = self.rule.get("max")
        if end is None:
            limit = duration(longest if longest is not None else self.rule.get("grace", "7cd"))
            deadline = self.end_of(begin, limit, 1)
            if deadline > self.cutoff(self.row["_feed"]):
                return "pending", None
            return self.missing("not_evaluable"), None
        good = True
        if self.rule.get("min") is not None:
            good &= end >= self.start_of(begin, duration(self.rule["min"]), 1)
        if longest is not None:
            good &= end <= self.end_of(begin, duration(longest), 1)
        return met(good), minutes(end - begin)

    def occurrence(self) -> tuple[str, float | None]:
        rule, of = self.rule, self.rule["of"]
        start, end, known = self.window(rule.get("window"))
        if not known:
            return "not_evaluable", None
        rows = self.candidates(rule, start, end)
        pick = rule.get("pick", "any")
        tested = {"any": rows, "first": rows[:1], "last": rows[-1:]}[pick]
        answers = [self.where(rule.get("where"), of, row) for row in tested]
        n = sum(answer is True for answer in answers)
        most = rule.get("at_most")
        least = rule.get("at_least", None if most is not None else 1)
        if most is not None and n > most:
            return "not_met", n
        if least is not None and most is None and n >= least:
            return "met", n
        if (end or self.cutoff(of)) > self.cutoff(of):
            return "pending", n
        if all(answer is None for answer in answers):
            default = "not_met" if least is not None else (
                "met" if of in MET_WHEN_NONE else "not_evaluable"
            )  # fmt: skip
            return self.for_want(self.missing(default), rule), n
        if least is not None and n < least:
            return self.for_want("not_met", rule), n
        return "met", n

    def cadence(self) -> tuple[str, float | None]:
        rule = self.rule
        start, end, known = self.window(rule["window"])
        if not known or start is None or end is None or end < start:
            return "not_evaluable", None
        times = [row["_at"] for row in self.candidates(rule, start, end)]
        if end > self.cutoff(rule["of"]):
            return "pending", largest(times, start, end, rule)
        if not times:
            return self.for_want(self.missing("not_met"), rule), None
        gap = largest(times, start, end, rule)
        allowed = duration(rule["every"]).length + duration(rule.get("tolerance", "0s")).length
        good = gap is None or gap <= minutes(allowed) + SLACK
        return (self.for_want("not_met", rule) if not good else "met"), gap

    def rate(self) -> tuple[str, float | None]:
        start = self.start()
        if start is None:
            return "not_evaluable", None
        since = self.start_of(start, duration(self.rule["within"]), -1)
        if self.rule.get("across", "protocol") == "patient":
            others = [
                (s["_at"], s["session_id"]) for s in self.world.evidence["sessions"]
                if same_patient(s, self.row) and s["session_id"] != self.row.get("session_id")
                and (s["status"] == "completed"
                     or (s["status"] == "aborted" and doses_of(self.world.evidence, s)))
            ]  # fmt: skip
        else:
            others = [
                (r["_start"], r["_id"]) for r in self.row["_governed"]
                if r["_id"] != self.row["_id"]
            ]  # fmt: skip
        earlier = [
            at for at, key in others if at and since < at and (at, key) < (start, self.row["_id"])
        ]
        n = 1 + len(earlier)
        return met(n <= self.rule["at_most"]), n

    def change(self) -> tuple[str, float | None]:
        previous = self.row.get("_previous")
        if previous is None or self.row["started_at"] is None:
            return "excluded", None
        now, then = self.evaluate(self.rule["expr"]), self.evaluate_on(previous, self.rule["expr"])
        if now is None or then is None:
            return self.missing("not_evaluable"), None
        difference = now - then
        limits = {key: self.rule[key] for key in (
            "max_increase", "max_decrease", "max_increase_pct", "max_decrease_pct",
        ) if self.rule.get(key) is not None}  # fmt: skip
        if then == 0 and any(key.endswith("_pct") for key in limits):
            return self.missing("not_evaluable"), difference
        good = True
        for key, limit in limits.items():
            moved = difference if "increase" in key else -difference
            moved = moved / abs(then) * 100 if key.endswith("_pct") else moved
            good &= moved <= limit + SLACK
        return met(good), difference

    def response(self) -> tuple[str, float | None]:
        trigger, then = self.rule["trigger"], self.rule["then"]
        start, end, known = self.window(trigger.get("window"))
        if not known:
            return "not_evaluable", None
        triggers = [
            row for row in self.candidates(trigger, start, end)
            if self.where(trigger.get("where"), trigger["of"], row) is True
        ]  # fmt: skip
        if not triggers:
            return "excluded", None
        answers = [
            row["_at"] for row in self.candidates(then, None, None)
            if self.where(then.get("where"), then["of"], row) is True
        ]  # fmt: skip
        overdue = waiting = 0
        for row in triggers:
            limit = self.end_of(row["_at"], duration(then["within"]), 1)
            if any(row["_at"] < at <= limit for at in answers):
                continue
            if limit > self.cutoff(then["of"]):
                waiting += 1
            else:
                overdue += 1
        if overdue:
            return self.for_want("not_met", then), overdue + waiting
        return ("pending" if waiting else "met"), overdue + waiting

    # rows

    def measure(self, name: str, measure: Row) -> Any:
        start, end, known = self.window(measure.get("window"))
        rows = self.candidates(measure, start, end) if known else []
        self.found[name] = bool(rows)
        take = measure["take"]
        self.kinds[name] = "BIGINT" if take == "count" else "DOUBLE"
        if take == "count":
            return len(rows) if known else None
        values = [self.where(measure["expr"], measure["of"], row) for row in rows]
        if not known or not values:
            return None
        if take in ("first", "last"):
            return values[0 if take == "first" else -1]
        filled = [value for value in values if value is not None]
        if not filled:
            return None
        return {"min": min, "max": max, "sum": sum}[take](filled)

    def candidates(self, part: Row, start: datetime | None, end: datetime | None) -> list[Row]:
        """Linked rows in the window for which `among` is true, by event time, then id as text."""
        of = part["of"]
        id_column = contracts()[of].id_column
        rows = [
            row for row in self.world.evidence.get(of, [])
            if row["_at"] is not None
            and (start is None or row["_at"] >= start) and (end is None or row["_at"] <= end)
            and self.linked(part, row)
            and (part.get("among") is None or self.where(part["among"], of, row) is True)
        ]  # fmt: skip
        return sorted(rows, key=lambda row: (row["_at"], str(row[id_column])))

    def linked(self, part: Row, row: Row) -> bool:
        of = part["of"]
        if row["clinic_id"] != self.clinic:
            return False
        itself = of == self.row["_feed"] and row[contracts()[of].id_column] == self.row["_id"]
        if itself and of in ("sessions", "dispenses"):
            return False
        if of == "sessions" and row["status"] != "completed":
            return False
        link = link_of(part)
        if link == "clinic":
            return True
        if link == "session":
            return row["session_id"] is not None and row["session_id"] == self.row.get("session_id")
        if of == "vitals":  # they name their patient through their session
            row = first(self.world, "sessions", self.clinic, "session_id", row["session_id"])
        return row.get("patient_id") == self.row["patient_id"]

    def for_want(self, status: str, part: Row) -> str:
        """not_met for want of a row that lies in quarantine, naming the session or patient."""
        if status != "not_met":
            return status
        link = link_of(part)
        for bad in self.world.quarantined:
            if bad["clinic_id"] != self.clinic or bad["feed"] != part["of"]:
                continue
            session = bad["session_id"] and bad["session_id"] == self.row.get("session_id")
            patient = bad["patient_id"] and bad["patient_id"] == self.row["patient_id"]
            if (link == "session" and session) or (link == "patient" and patient):
                return "not_evaluable"
        return status

    # times

    def cutoff(self, feed: str) -> datetime:
        return self.world.cutoffs[(self.clinic, feed)] if (
            (self.clinic, feed) in self.world.cutoffs
        ) else datetime.min.replace(tzinfo=UTC)  # fmt: skip

    def start(self) -> datetime | None:
        name = {"sessions": "started_at", "dispenses": "dispensed_at"}
        found: datetime | None = self.row[name.get(self.row["_feed"], "administered_at")]
        return found

    def anchor(self, name: str) -> datetime | None:
        value = self.evaluate(name)
        if isinstance(value, datetime) or value is None:
            return value
        return midnight(self.world, self.clinic, value)

    def window(self, window: Any) -> tuple[datetime | None, datetime | None, bool]:
        """Start, end (both included, None = open) and whether every anchor is known."""
        bounds: list[datetime | None] = []
        for at, text in enumerate(window or [None, None]):
            if text is None:
                bounds.append(None)
                continue
            match = re.fullmatch(r"\s*([\w.]+)\s*(?:([+-])\s*(\w+))?\s*", text)
            assert match, text
            anchor = self.anchor(match[1])
            if anchor is None:
                return None, None, False
            sign = -1 if match[2] == "-" else 1
            step = duration(match[3]) if match[3] else Duration(timedelta(0), None)
            bounds.append((self.end_of if at else self.start_of)(anchor, step, sign))
        return bounds[0], bounds[1], True

    def start_of(self, anchor: datetime, step: Duration, sign: int) -> datetime:
        if step.days is None:
            return anchor + sign * step.length
        day = local(self.world, self.clinic, anchor) + timedelta(days=sign * step.days)
        return midnight(self.world, self.clinic, day)

    def end_of(self, anchor: datetime, step: Duration, sign: int) -> datetime:
        if step.days is None:
            return anchor + sign * step.length
        day = local(self.world, self.clinic, anchor) + timedelta(days=sign * step.days + 1)
        return midnight(self.world, self.clinic, day) - MICROSECOND

    # expressions

    def missing(self, default: str) -> str:
        return str(self.rule.get("missing") or default)

    def evaluate(self, text: str) -> Any:
        return evaluate(text, judged_scope(self.row, self.world, self.measures))

    def evaluate_on(self, row: Row, text: str) -> Any:
        other = Verdict({"measures": self.defined}, self.rule, row, self.world)
        return evaluate(text, judged_scope(row, self.world, other.measures))

    def where(self, text: str | None, feed: str, row: Row) -> Any:
        if text is None:
            return True
        scope = dict(typed(feed, row if feed != "sessions" else {**row, "started_at": row["_at"]}))
        if feed == "outcomes":
            scope.update({name: (DERIVED[name], value) for name, value in items(row).items()})
        if "staff_id" in row:
            person = first(self.world, "staff", self.clinic, "staff_id", row["staff_id"])
            scope["staff"] = ("STRUCT", typed("staff", person))
        scope["this"] = ("STRUCT", judged_scope(self.row, self.world, self.measures))
        return evaluate(text, scope)


def largest(times: Sequence[datetime], start: datetime, end: datetime, rule: Row) -> float | None:
    ends = rule.get("ends", "both")
    marks = [start] * (ends in ("both", "start")) + list(times) + [end] * (ends in ("both", "end"))
    if not times:
        return None
    gaps = [minutes(b - a) for a, b in pairwise(marks)]
    return max(gaps, default=0.0)


def link_of(part: Row) -> str:
    default = {"shifts": "clinic"}.get(
        part["of"], "session" if part["of"] in BY_SESSION else "patient"
    )
    return str(part.get("link") or default)


# --- expressions, row by row ---------------------------------------------------------------------

_db = duckdb.connect()
_db.execute("SET TimeZone = 'UTC'")


def evaluate(text: str, scope: Scope) -> Any:
    """An expression's value; DuckDB is given the columns that the text names, once for each row
    that is alike in them."""
    return _evaluated(text, _named(frozenset(re.findall(r"\w+", text)), scope))


def _named(words: frozenset[str], scope: Scope) -> tuple[tuple[str, str, Any], ...]:
    return tuple(
        (name, kind, _named(words, value) if kind == "STRUCT" else value)
        for name, (kind, value) in scope.items()
        if name in words
    )


@lru_cache(maxsize=500_000)
def _evaluated(text: str, columns: tuple[tuple[str, str, Any], ...]) -> Any:
    values: list[Any] = []
    listed = ", ".join(f'{literal(k, v, values)} AS "{name}"' for name, k, v in columns)
    row = _db.execute(f"SELECT ({text}) FROM (SELECT {listed or 1})", values).fetchone()
    assert row is not None
    got = row[0]
    return got.astimezone(UTC) if isinstance(got, datetime) else got


def literal(kind: str, value: Any, values: list[Any]) -> str:
    if kind == "STRUCT":
        return "{" + ", ".join(f"'{n}': {literal(k, v, values)}" for n, k, v in value) + "}"
    if isinstance(value, datetime):
        value = value.isoformat()
    values.append(value)
    return f"?::{kind}"


def judged_scope(row: Row, world: World, measures: Row) -> dict[str, tuple[str, Any]]:
    """Columns of a judged row; the feed's win over the patient's."""
    clinic, feed = row["clinic_id"], row["_feed"]
    patient = typed("patients", row["_patient_row"])
    scope = {**patient, **typed(feed, row)}
    for name, kind in DERIVED.items():
        if name.startswith("item_") and feed != "outcomes":
            continue
        scope[name] = (kind, row.get(name))
    scope["patient"] = ("STRUCT", patient)
    people = {"prescriber": "prescriber_id", "monitor": "monitor_id"}
    for person, key in people.items():
        held = first(world, "staff", clinic, "staff_id", row.get(key))
        scope[person] = ("STRUCT", typed("staff", held))
    held = first(world, "clinics", clinic, "clinic_id", clinic)
    scope["clinic"] = ("STRUCT", typed("clinics", held))
    for name, value in measures.items():
        scope[name] = (kind_of(value), value)
    return scope


def kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, datetime):
        return "TIMESTAMPTZ"
    if isinstance(value, date):
        return "DATE"
    return "VARCHAR" if isinstance(value, str) else "DOUBLE"


def typed(feed: str, row: Row) -> dict[str, tuple[str, Any]]:
    found = {
        column.name: (SQL_TYPES[column.type], row.get(column.name))
        for column in contracts()[feed].columns
        if column.name != "deleted" and column.name not in HIDDEN
    }
    return {"clinic_id": ("VARCHAR", row.get("clinic_id")), **found}


# --- small things --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Duration:
    """A length, or a number of calendar days."""

    length: timedelta
    days: int | None


def duration(text: str) -> Duration:
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)(s|m|h|d|cd)", str(text))
    assert match, text
    number = float(match[1])
    if match[2] == "cd":
        return Duration(timedelta(0), int(number))
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[match[2]]
    return Duration(timedelta(**{unit: number}), None)


def local(world: World, clinic: str, at: datetime) -> date:
    return at.astimezone(world.zones[clinic]).date()


def midnight(world: World, clinic: str, day: date) -> datetime:
    """The first instant of a local day."""
    start = datetime(day.year, day.month, day.day, tzinfo=world.zones[clinic])
    return start.astimezone(UTC)


def event_of(world: World, feed: str, row: Row) -> datetime | None:
    column = EVENT_TIMES.get(feed)
    value = row.get(column) if column else None
    if feed == "contacts" and value is None:
        value = row.get("scheduled_at")
    if value is None or isinstance(value, datetime):
        return value
    return midnight(world, row["clinic_id"], value)


def doses_of(evidence: Mapping[str, Sequence[Row]], session: Row) -> list[Row]:
    return [
        dose for dose in evidence.get("doses", [])
        if dose["clinic_id"] == session["clinic_id"]
        and dose["session_id"] is not None and dose["session_id"] == session["session_id"]
    ]  # fmt: skip


def first(world: World, feed: str, clinic: str, column: str, value: Any) -> Row:
    for row in world.facts.get(feed, []):
        if value is not None and row["clinic_id"] == clinic and row[column] == value:
            return row
    return {}


def blank(feed: str) -> Row:
    return {column.name: None for column in contracts()[feed].columns}


def items(row: Row) -> Row:
    """item_1 ... item_40; an item that is no number counts as not answered."""
    parts = row["items"].split(";") if row.get("items") else []
    found: Row = {}
    for n in range(1, 41):
        text = parts[n - 1].strip() if n <= len(parts) else ""
        found[f"item_{n}"] = float(text) if re.fullmatch(r"[+-]?\d+(\.\d+)?", text) else None
    return found


def age(born: date, day: date) -> int:
    birthday = (born.month, born.day)
    return day.year - born.year - ((day.month, day.day) < birthday)


def same_patient(one: Row, other: Row) -> bool:
    return one["clinic_id"] == other["clinic_id"] and one["patient_id"] == other["patient_id"]


def same(got: Any, allowed: Any) -> bool:
    if isinstance(got, bool) or isinstance(allowed, bool) or isinstance(got, str):
        return bool(got == allowed)
    return abs(got - allowed) <= SLACK


def minutes(length: timedelta) -> float:
    return length.total_seconds() / 60


def met(good: bool) -> str:
    return "met" if good else "not_met"
