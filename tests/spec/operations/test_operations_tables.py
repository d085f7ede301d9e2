"""The tables of this folder hold, of the engine and of the oracle alike."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.operations import oracle
from tests.operations.engine import found_credentials, found_forms, found_monthly
from tests.oracle import World
from tests.spec.outcomes.tables import Cells, Network, Section, number, sections

HERE = Path(__file__).parent
PHOENIX, NEW_YORK = ZoneInfo("America/Phoenix"), ZoneInfo("America/New_York")
NEVER_SAID = datetime(2026, 6, 1, tzinfo=UTC)
COUNTS = ("booked", "completed", "aborted", "no_show", "cancelled_late", "cancelled",
          "unreconciled", "awaiting_delivery", "upcoming", "unscheduled")  # fmt: skip


def table(file: str, name: str) -> Section:
    (held,) = [section for section in sections(file, HERE) if section.name == name]
    return held


def moment(text: str, zone: ZoneInfo) -> datetime | None:
    """`03-04T12:00`, local time of 2025."""
    if text == "-":
        return None
    return datetime.fromisoformat(f"2025-{text}").replace(tzinfo=zone).astimezone(UTC)


def day(text: str) -> date | None:
    return None if text == "-" else date.fromisoformat(text)


def world(network: Network, as_of: datetime) -> World:
    cutoffs = {key: min(at, as_of) for key, at in network.cutoffs.items()}
    return World(network.facts, cutoffs, [], as_of)


def add_clinic(network: Network, line: Cells, name: str, zone: ZoneInfo) -> None:
    """A clinic, its chairs, and until when it has delivered its sessions."""
    network.add("clinics", name, name="C", time_zone=zone.key, chairs=_whole(line.get("chairs")))
    cutoff = moment(line.get("delivered", "-"), zone)
    network.cutoffs[name, "sessions"] = cutoff or NEVER_SAID


def _whole(text: str | None) -> int | None:
    return None if text in (None, "-") else int(text)


def both(held: World) -> list[dict[str, list[dict[str, Any]]]]:
    """Monthly rows by clinic, as the engine and as the oracle says."""
    engine = found_monthly(held)
    slow = [
        row | dict(zip(("clinic_id", "program", "month"), key, strict=True))
        for key, row in oracle.monthly(held).items()
    ]
    found = []
    for rows in (engine, slow):
        by_clinic: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_clinic.setdefault(row["clinic_id"], []).append(row)
        found.append(by_clinic)
    return found


@pytest.mark.parametrize("section", sections("bookings", HERE), ids=lambda s: s.name)
def test_bookings(section: Section) -> None:
    network = Network()
    for at, line in enumerate(section.lines, start=1):
        name = f"line {at}"
        add_clinic(network, line, name, PHOENIX)
        network.add("sessions", name, session_id="s", program="iv", status=line["status"],
                    scheduled_at=moment(line["booked for"], PHOENIX),
                    cancelled_at=moment(line.get("cancelled", "-"), PHOENIX),
                    started_at=moment(line.get("started", "-"), PHOENIX))  # fmt: skip
    now = moment("03-10T12:00", PHOENIX)
    assert now is not None
    for found in both(world(network, now)):
        for at, line in enumerate(section.lines, start=1):
            (row,) = found[f"line {at}"]
            told = ", ".join(name for name in COUNTS if row[name])
            assert set(told.split(", ")) == set(line["counts in"].split(", ")), (at, line)
            month = "-" if row["month"] is None else row["month"].strftime("%Y-%m")
            assert month == line["month"], (at, line)


def test_chairs() -> None:
    section, network = table("chairs", "Chairs"), Network()
    for at, line in enumerate(section.lines, start=1):
        zone = ZoneInfo(line["zone"])
        add_clinic(network, line, f"line {at}", zone)
        for place, text in enumerate(line["sessions"].split(", ")):
            program, chair, span = text.split()
            since, until = (moment(part, zone) for part in span.split("/"))
            network.add("sessions", f"line {at}", session_id=f"s{place}", program=program,
                        status="completed", chair=None if chair == "-" else chair,
                        scheduled_at=since or until, arrived_at=since,
                        discharged_at=until)  # fmt: skip
    for found in both(world(network, NEVER_SAID)):
        for at, line in enumerate(section.lines, start=1):
            told = {
                (row["program"], row["month"].strftime("%Y-%m")): (
                    row["chair_minutes"], row["shared_minutes"]
                )
                for row in found[f"line {at}"]
            }  # fmt: skip
            expected = {}
            for text in line["minutes"].split("; "):
                program, month, held, *shared = text.replace("+", "").split()
                expected[program, month] = (float(held), float(shared[0]) if shared else 0.0)
            assert told == expected, (at, line)


def test_opening_hours() -> None:
    section, said = table("chairs", "Opening hours"), 0
    for line in section.lines:
        network, zone = Network(), ZoneInfo(line["zone"])
        add_clinic(network, line, "c", zone)
        network.add("sessions", "c", session_id="s", program="iv", status="no_show",
                    scheduled_at=moment(f"{line['month']}-15T12:00", zone))  # fmt: skip
        for column, clinic in (("hours", "c"), ("network", None)):
            for text in [] if line[column] == "-" else line[column].split(", "):
                days, opens, closes, begin = re.split(r" from | |(?<=\d\d:\d\d)-", text)
                for weekday in days:
                    said += 1
                    network.add("hours", "c", hours_id=f"h{said}", weekday=int(weekday),
                                opens=opens, closes=closes, effective_from=day(begin))  # fmt: skip
                    network.facts["hours"][-1]["clinic_id"] = clinic
        for found in both(world(network, NEVER_SAID)):
            (row,) = found["c"]
            assert row["open_minutes"] == number(line["open minutes"]), line


@pytest.mark.parametrize(
    ("since", "until", "count", "figure"),
    [("arrived_at", "started_at", "waits", "wait_minutes_median"),
     ("ended_at", "monitoring_ended_at", "observations", "observation_minutes_median")],
)  # fmt: skip
def test_medians(since: str, until: str, count: str, figure: str) -> None:
    section, network = table("chairs", "Waits and observation"), Network()
    at = datetime(2025, 3, 4, 16, tzinfo=UTC)
    for place, line in enumerate(section.lines, start=1):
        add_clinic(network, line, f"line {place}", PHOENIX)
        for nth, text in enumerate(line["waits"].split(", ")):
            end = None if text == "-" else at + timedelta(minutes=float(text))
            times = {since: at, until: end}
            network.add("sessions", f"line {place}", session_id=f"s{nth}", program="iv",
                        status="completed", scheduled_at=at, **times)  # fmt: skip
    for found in both(world(network, NEVER_SAID)):
        for place, line in enumerate(section.lines, start=1):
            (row,) = found[f"line {place}"]
            assert row[count] == int(line["counted"]), line
            assert row[figure] == number(line["median"]), line


def test_credentials() -> None:
    for line in table("due", "Credentials").lines:
        network = Network()
        add_clinic(network, line, "c", NEW_YORK)
        network.add("staff", "c", staff_id="u", role="nurse",
                    license_expires_on=day(line["expires"]), active_from=day(line["active from"]),
                    active_to=day(line["active to"]))  # fmt: skip
        held = world(network, datetime.fromisoformat(f"2025-03-04T{line['clock']}Z"))
        expected = [(number(line["days left"]), line["status"])] * (line["status"] != "no row")
        assert [(r["days_left"], r["status"]) for r in found_credentials(held)] == expected, line
        assert [told[1:] for told in oracle.credentials(held).values()] == expected, line


def test_rems_forms() -> None:
    now = moment("03-14T12:00", NEW_YORK)
    assert now is not None
    for line in table("due", "REMS forms").lines:
        network = Network()
        add_clinic(network, line, "c", NEW_YORK)
        network.add("sessions", "c", session_id="s", program="in", status="completed",
                    rems_form_sent_at=moment(line["sent"], NEW_YORK))  # fmt: skip
        network.add("doses", "c", dose_id="d", session_id="s", drug=line["drug"],
                    started_at=moment(line["dosed"], NEW_YORK))  # fmt: skip
        held = world(network, now)
        row = (day(line["due on"]), number(line["days left"]), line["status"])
        expected = [row] * (line["status"] != "no row")
        told = [(r["due_on"], r["days_left"], r["status"]) for r in found_forms(held)]
        assert told == expected, line
        assert list(oracle.forms(held).values()) == expected, line
