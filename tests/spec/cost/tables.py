"""Tables of cost as small networks: each line is a clinic of its own in UTC with one patient.

Day 1 is DAY; sessions begin at 10:00.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from checks.contract import contracts
from checks.strict_yaml import parse
from tests.cost.engine import Network, Row
from tests.spec.outcomes.tables import Cells, Section, sections

HERE = Path(__file__).parent
DAY = date(2025, 3, 4)
AS_OF = datetime(2026, 12, 1, tzinfo=UTC)
_RATE = re.compile(
    r"(?P<resource>\w+?)(?P<clinic> clinic)?(?: program (?P<program>\w+))?(?: from (?P<day>\S+))?"
)
_DOSE = re.compile(r"(\w+) ([\d.]+)(?: \+ ([\d.]+))?(?: (\w+))?")


def held(file: str) -> dict[str, Section]:
    """Sections of a file by name."""
    return {section.name: section for section in sections(file, HERE)}


def money(text: str) -> Decimal | None:
    return None if text == "-" else Decimal(text)


def truth(text: str) -> bool | None:
    return {"yes": True, "no": False, "-": None}[text]


def at(day: date, clock: str) -> datetime | None:
    if clock == "-":
        return None
    hour, minute = map(int, clock.split(":"))
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


class World:
    """A network while its lines are written."""

    def __init__(self) -> None:
        self.facts: dict[str, list[Row]] = {feed: [] for feed in contracts()}
        self.network = Network(self.facts, AS_OF, {}, [], [], [], [])
        self.cutoffs: dict[tuple[str, str], datetime] = {}

    def made(self, **more: Any) -> Network:
        return replace(self.network, cutoffs=self.cutoffs, **more)

    def clinic(self, name: str, *feeds: str) -> None:
        self.add("clinics", name, name="C", time_zone="UTC")
        for feed in feeds or ("sessions", "doses", "charges"):
            self.cutoffs[name, feed] = AS_OF

    def add(self, feed: str, clinic: str | None, **values: Any) -> Row:
        blank = {c.name: None for c in contracts()[feed].columns if c.name != "deleted"}
        row = blank | {"clinic_id": clinic, "patient_id": "p"} | values
        self.facts[feed].append(row)
        return row

    def session(self, clinic: str, name: str = "s", day: date = DAY, **more: Any) -> Row:
        usual = {
            "program": "iv_ketamine", "status": "completed", "arrived_at": at(day, "09:30"),
            "started_at": at(day, "10:00"), "discharged_at": at(day, "12:30"),
        }  # fmt: skip
        return self.add("sessions", clinic, session_id=name, **(usual | more))

    def rate(self, text: str, amount: Any, clinic: str | None = None) -> None:
        said = _RATE.fullmatch(text)
        assert said is not None
        self.add(
            "rates", clinic if said["clinic"] else None, rate_id=str(len(self.facts["rates"])),
            resource=said["resource"], amount=Decimal(str(amount)), program=said["program"],
            effective_from=date.fromisoformat(said["day"] or "2019-01-01"),
        )  # fmt: skip

    def doses(self, clinic: str, text: str, day: date = DAY) -> None:
        for number, each in enumerate([] if text == "-" else text.split(",")):
            said = _DOSE.fullmatch(each.strip())
            assert said is not None
            drug, given, wasted, acquisition = said.groups()
            self.add(
                "doses", clinic, dose_id=f"d{number}", session_id="s", drug=drug,
                amount_mg=Decimal(given), wasted_mg=Decimal(wasted) if wasted else None,
                acquisition=acquisition, started_at=at(day, "10:00"),
            )  # fmt: skip

    def cost(self, usd: Decimal | int) -> None:
        """Each session costs so much."""
        self.rate("room_hour", 0)
        self.rate("supplies_session", 0)
        self.rate("overhead_session", usd)


def name_of(place: int) -> str:
    return f"line {place}"


def session_lines(section: Section) -> Network:
    """A section of `sessions.md`."""
    (block,) = re.findall(r"```yaml\n(.*?)```", section.text, flags=re.S)
    rates = parse(block).data
    world = World()
    for text, amount in rates.items():
        if " clinic" not in text:
            world.rate(text, amount)
    for place, line in enumerate(section.lines, start=1):
        clinic = name_of(place)
        world.clinic(clinic)
        for text, amount in rates.items():
            if " clinic" in text:
                world.rate(text, amount, clinic)
        world.session(
            clinic, program=line.get("program", "iv_ketamine"),
            arrived_at=at(DAY, line.get("arrived", "09:30")),
            discharged_at=at(DAY, line.get("discharged", "12:30")),
        )  # fmt: skip
        world.doses(clinic, line.get("doses", "-"))
    return world.made()


def revenue_lines(section: Section) -> Network:
    """Charges of `revenue.md`."""
    world = World()
    world.cost(100)
    for place, line in enumerate(section.lines, start=1):
        clinic = name_of(place)
        feeds = ("sessions", "charges") if line["clinic bills"] == "yes" else ("sessions",)
        world.clinic(clinic, *feeds)
        world.session(clinic)
        for each in [] if line["charges"] == "-" else line["charges"].split(","):
            name, said = each.strip().split("=")
            amounts, payer = said.split()
            billed, allowed, payer_paid, patient_paid = map(money, amounts.split("/"))
            world.add(
                "charges", clinic, charge_id=name, session_id="s", service_on=DAY, code="J3490",
                payer_kind=payer, billed_usd=billed, allowed_usd=allowed, status="pending",
                payer_paid_usd=payer_paid, patient_paid_usd=patient_paid,
            )  # fmt: skip
    return world.made()


def answer_lines(section: Section) -> Network:
    """Versions of `revenue.md`."""
    world = World()
    versions: list[Row] = []
    for place, line in enumerate(section.lines, start=1):
        clinic = name_of(place)
        world.clinic(clinic)
        world.session(clinic)
        told = []
        for number, each in enumerate(line["versions"].split(",")):
            status, *days = each.split()
            submitted, adjudicated = (None if d == "-" else DAY.replace(day=int(d)) for d in days)
            told.append({
                "charge_id": "x", "session_id": "s", "service_on": DAY, "code": "J3490",
                "payer_kind": "commercial", "billed_usd": Decimal(500), "status": status,
                "submitted_on": submitted, "adjudicated_on": adjudicated,
                "said_at": AS_OF + timedelta(days=number), "clinic_id": clinic, "patient_id": "p",
            })  # fmt: skip
        versions += told[:-1]
        last = {name: value for name, value in told[-1].items() if name != "said_at"}
        world.add("charges", clinic, **{k: v for k, v in last.items() if k != "clinic_id"})
    return world.made(versions=versions)


def _cost_of(world: World, clinic: str, session: str, cost: str) -> None:
    """A session that costs so much by its own programme's rate; `?`: nobody knows."""
    if cost == "?":
        world.facts["sessions"][-1]["arrived_at"] = None
        return
    given_at = world.facts["sessions"][-1]["started_at"]
    world.add("doses", clinic, dose_id=f"d-{session}", session_id=session, drug="ketamine",
              amount_mg=Decimal(cost), started_at=given_at)  # fmt: skip


def _subject(row: Row, status: str = "compliant", start: Row | None = None, **more: Any) -> Row:
    """A session as it was judged; of a course that began with `start`."""
    return {
        "clinic_id": row["clinic_id"], "subject_id": row["session_id"],
        "session_id": row["session_id"], "patient_id": row["patient_id"], "protocol": "spec",
        "program": "iv_ketamine", "started_at": row["started_at"], "status": status,
        "local_date": row["started_at"].date(), "course": 1,
        "course_started_at": (start or row)["started_at"], **more,
    }  # fmt: skip


def month_lines(section: Section) -> Network:
    """Months of `groups.md`; a milligram costs a dollar, and nothing else costs anything."""
    world = World()
    world.cost(0)
    world.rate("ketamine_mg", 1)
    subjects: list[Row] = []
    for place, line in enumerate(section.lines, start=1):
        clinic = name_of(place)
        world.clinic(clinic)
        for number, each in enumerate(line["sessions"].split(",")):
            cost, told = each.strip().split(maxsplit=1)
            row = world.session(clinic, f"s{number}")
            _cost_of(world, clinic, f"s{number}", cost)
            for protocol, status in enumerate(told.split(" and ")):
                if status != "unjudged":
                    subjects.append(_subject(row, status, protocol=f"p{protocol}", course=None,
                                             course_started_at=None))  # fmt: skip
    return world.made(subjects=subjects)


def cohort_lines(section: Section) -> Network:
    """Cohorts of `groups.md`."""
    world = World()
    world.cost(0)
    world.rate("ketamine_mg", 1)
    subjects: list[Row] = []
    outcomes: list[Row] = []
    for place, line in enumerate(section.lines, start=1):
        clinic = name_of(place)
        world.clinic(clinic)
        for number, course in enumerate(line["courses"].split(";")):
            rows = []
            for each in re.findall(r"(\d+)=(\S+)", course):
                day = DAY + timedelta(days=int(each[0]) - 1)
                session = f"c{number}-{each[0]}"
                rows.append(world.session(clinic, session, day, patient_id=f"p{number}"))
                _cost_of(world, clinic, session, each[1])
            subjects += [_subject(row, start=rows[0]) for row in rows]
            outcomes.append(_outcome(rows, course))
    return world.made(subjects=subjects, outcomes=outcomes)


def _outcome(rows: list[Row], course: str) -> Row:
    said = re.search(r"(responds|remits) (\d+)-(\d+)", course)
    days = [rows[0]["started_at"] + timedelta(days=int(d) - 1) for d in said.groups()[1:]] if (
        said) else [None, None]  # fmt: skip
    return {
        "clinic_id": rows[0]["clinic_id"], "patient_id": rows[0]["patient_id"], "protocol": "spec",
        "course": 1, "program": "iv_ketamine", "course_started_at": rows[0]["started_at"],
        "mature": True, "induction_end": None if "lost" in course else 5.0,
        "response_at_induction_end": said is not None,
        "remission_at_induction_end": "remits" in course, "responded_at": days[0],
        "relapsed_at": None, "followed_until": days[1],
        "treated_until": rows[-1]["started_at"] + timedelta(days=60),
    }  # fmt: skip


def course_lines(section: Section) -> Network:
    """Ends of courses of `groups.md`."""
    world = World()
    world.cost(1)
    subjects: list[Row] = []
    for place, line in enumerate(section.lines, start=1):
        clinic = name_of(place)
        world.clinic(clinic, "doses", "charges")
        cut = line["cut-off day"]
        if cut != "never":
            end = at(DAY + timedelta(days=int(cut) - 1), "00:00")
            assert end is not None
            world.cutoffs[clinic, "sessions"] = end
        rows = [world.session(clinic, f"s{day}", DAY + timedelta(days=int(day) - 1))
                for day in line["sessions"].split()]  # fmt: skip
        subjects += [_subject(row, start=rows[0]) for row in rows]
        for number, each in enumerate([] if line["bills"] == "-" else line["bills"].split()):
            day, owed = each.split("=")
            world.add(
                "charges", clinic, charge_id=f"x{number}", session_id="s1", service_on=DAY,
                code="J3490", payer_kind="commercial", billed_usd=Decimal(100), status="paid",
                patient_owed_usd=Decimal(owed),
                billed_to_patient_on=DAY + timedelta(days=int(day) - 1),
            )  # fmt: skip
    return world.made(subjects=subjects)


def no_show_lines(section: Section) -> Network:
    """Missed appointments of `groups.md`."""
    world = World()
    rates = {"room_hour": 28, "prescriber_hour": 180, "nurse_hour": 62,
             "prescriber_minutes_session": 15, "nurse_minutes_session": 70}  # fmt: skip
    for text, amount in rates.items():
        world.rate(text, amount)
    for place, line in enumerate(section.lines, start=1):
        world.clinic(name_of(place))
        booked = line["scheduled_minutes"]
        world.session(
            name_of(place), status="no_show", started_at=None, scheduled_at=at(DAY, "10:00"),
            scheduled_minutes=None if booked == "-" else int(booked),
        )  # fmt: skip
    return world.made()


def billing_lines(section: Section) -> Network:
    """A section of `billing.md`."""
    world = World()
    for place, line in enumerate(section.lines, start=1):
        clinic = name_of(place)
        world.clinic(clinic)
        day = date.fromisoformat(line.get("day", "2026-03-04"))
        start, took = at(day, "10:00"), line.get("minutes", "-")
        assert start is not None
        route = line.get("route", "IN")
        world.session(
            clinic, day=day, route=None if route == "-" else route,
            ended_at=None if took == "-" else start + timedelta(minutes=int(took)),
        )  # fmt: skip
        world.doses(clinic, line.get("doses", "-"), day)
        others = line.get("others", "-")
        codes = [line["code"]] + ([] if others == "-" else others.split())
        for number, code in enumerate(codes):
            world.add(
                "charges", clinic, charge_id=f"x{number}", session_id="s", service_on=day,
                code=code, units=money(line.get("units", "1")), payer_kind="commercial",
                billed_usd=Decimal(100), status="pending",
            )  # fmt: skip
    return world.made()


def lines_of(section: Section) -> list[tuple[str, Cells]]:
    """Each line with its clinic."""
    return [(name_of(place), line) for place, line in enumerate(section.lines, start=1)]
