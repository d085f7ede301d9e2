"""A clinic's May, small enough to know every row of its packs by heart."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from click.testing import Result

from tests.commands.cli import keel
from tests.publish.nights import Nights, plain_nights

NASAL = """\
protocol: nasal
version: 1.0.0
title: Nasal spray
effective: {from: 2020-01-01}
judges: sessions
drug: esketamine
programs: [esketamine]
sources:
  label: {citation: "The label", tier: T1}
rules:
  - {id: two-hours, title: Two hours, kind: elapsed, severity: critical, tier: T1, source: label,
     from: first_dose_at, to: monitoring_ended_at, min: 2h}
  - {id: weight, title: Weight, kind: value, severity: minor, tier: T4,
     expr: weight_kg is not null, is: true}
  - {id: heavy, title: Heavy, kind: value, severity: minor, tier: T1, source: label,
     when: weight_kg > 300, expr: dose_mg, max: 28}
"""
# Nothing of May's is later.
AS_OF = datetime(2026, 6, 30, 12, tzinfo=UTC)
NAMES = ("Zelda", "Quixote", "Yorick", "Xanadu", "=Formula")
MAY = ("--clinic", "north", "--from", "2026-05-01", "--to", "2026-05-31")


def may(folder: Path) -> Nights:
    """Published: three sessions with esketamine and one outside the month, two infusions, two
    supplies dispensed, and the stock book of a lot; of another lot, which did not move in May, a
    loss that was found then; another clinic's session and stock.
    """
    nights = Nights(folder)
    nights.write_protocol("nasal.yaml", NASAL)
    nights.deliver(
        "_network/clinics_2026-01-02.csv",
        "clinic_id,name,time_zone,rems_certified_on\n"
        "north,North,America/Chicago,2026-05-05\nsouth,South,America/Phoenix,\n",
    )
    nights.rows(
        "north/staff_x.csv",
        [
            {"staff_id": "u1", "role": "prescriber", "rems_trained_on": "2026-01-01"},
            {"staff_id": "u2", "role": "nurse"},
            {"staff_id": "u3", "role": "nurse", "rems_trained_on": "2026-05-20"},
        ],
    )
    nights.rows(
        "north/patients_x.csv",
        [
            {
                "patient_id": "p1",
                "given_name": "Zelda",
                "family_name": "Quixote",
                "rems_enrolled_on": "2026-04-01",
            },
            {
                "patient_id": "p2",
                "given_name": "Yorick",
                "family_name": "Xanadu",
                "rems_enrolled_on": "2026-05-05",
            },
            {"patient_id": "p3", "given_name": "=Formula", "family_name": "=Formula"},
        ],
    )
    nights.rows(
        "north/sessions_x.csv",
        [
            _nasal("e1", "p1", "2026-05-04T10:00", "2026-05-04T12:04", "2026-05-11T23:59"),
            _nasal("e2", "p2", "2026-05-04T11:00", "2026-05-04T13:30", "2026-05-12T00:01"),
            {**_nasal("e3", "p1", "2026-05-11T10:00", "2026-05-11T11:00", ""), "monitor_id": "u3"},
            _nasal("e4", "p2", "2026-04-30T23:59", "2026-05-01T02:30", "2026-05-01T09:00"),
            {**_infusion("s1", "p3"), "weight_kg": "80"},
            _infusion("s2", "p3"),
        ],
    )
    nights.rows(
        "north/doses_x.csv",
        [
            _spray(
                "e1",
                "p1",
                "2026-05-04T10:00",
                devices="2",
                ended_at="2026-05-04T10:05",
                wasted_mg="0",
            ),
            _spray("e2", "p2", "2026-05-04T11:00", devices="1"),
            _spray("e2", "p2", "2026-05-04T11:05", devices="1", dose_id="e2-second"),
            _spray("e3", "p1", "2026-05-11T10:00", devices="3"),
            _spray("e4", "p2", "2026-04-30T23:59", devices="2"),
            _given("s1", opened_mg="100", wasted_mg="60", waste_witness_id="u2"),
            _given("s2", opened_mg="100", wasted_mg="60", waste_witness_id="u1"),
        ],
    )
    nights.rows(
        "north/vitals_x.csv",
        [
            {
                "vital_id": f"v{at}",
                "session_id": "e1",
                "measured_at": f"2026-05-04T{at}",
                "spo2_pct": spo2,
            }
            for at, spo2 in (("09:50", "98"), ("10:40", "97"), ("11:20", ""))
        ],
    )
    nights.rows(
        "north/dispenses_x.csv",
        [
            _supply("d1", "clinic"),
            _supply("d2", "pharmacy"),
        ],
    )
    nights.rows(
        "north/inventory_x.csv",
        [
            _entry("i1", "received", "500", "2026-05-01T08:00"),
            _entry("i2", "administered", "80", "2026-05-06T10:00"),
            _entry("i3", "wasted", "120", "2026-05-06T11:00"),
            _entry(
                "i4",
                "lost",
                "20",
                "2026-05-08T09:00",
                discovered_at="2026-05-08T18:00",
                dea_notified_at="2026-05-11T09:00",
                form106_submitted_at="2026-05-20T09:00",
            ),
            _entry("i5", "count", "270", "2026-05-20T18:00"),
            _entry("i6", "received", "100", "2026-06-01T00:00"),
            _entry("i7", "received", "50", "2026-04-01T08:00", lot="K9"),
            _entry(
                "i8", "lost", "5", "2026-04-28T08:00", lot="K9", discovered_at="2026-05-02T08:00"
            ),
            _entry("i9", "received", "70", "2026-07-02T08:00", lot="K9"),
        ],
    )
    nights.rows(
        "_network/waivers_x.csv",
        [
            {
                "waiver_id": "w1",
                "clinic_id": "north",
                "subject_id": "e1",
                "rule_id": "two-hours",
                "reason": "agreed",
                "approved_by": "director",
                "approved_on": "2026-05-20",
            },
            _waiver("w2", "north", "e2", "2026-01-01", "2026-04-30"),
            _waiver("w3", "north", "nobody", "2026-06-02", ""),
            _waiver("w4", "south", "zebra", "2026-05-02", ""),
        ],
    )
    nights.rows(
        "south/sessions_x.csv",
        [_nasal("zebra", "q1", "2026-05-04T10:00", "2026-05-04T11:00", "")],
    )
    nights.rows(
        "south/doses_x.csv",
        [_spray("zebra", "q1", "2026-05-04T10:00", devices="2", opened_mg="28", wasted_mg="1")],
    )
    nights.rows(
        "south/inventory_x.csv",
        [
            _entry(f"zebra-{kind}", kind, "9", "2026-05-05T08:00", lot="zebra-lot")
            for kind in ("received", "wasted", "count", "lost", "broken")
        ],
    )
    with plain_nights():
        nights.publish(as_of=AS_OF)
    return nights  # fmt: skip


def audit(nights: Nights, *arguments: str | Path) -> Result:
    """`keel audit` on the warehouse."""
    return keel("audit", *arguments, "--warehouse", nights.settings.warehouse)


def pack(nights: Nights, kind: str, folder: Path) -> dict[str, list[dict[str, str]]]:
    """Write a pack of May into a new folder; its CSV tables."""
    done = audit(nights, "pack", "--kind", kind, *MAY, "--out", folder)
    assert done.exit_code == 0, done.output
    return tables(folder)


def tables(folder: Path) -> dict[str, list[dict[str, str]]]:
    """Every CSV file of a folder by its name."""
    return {
        path.stem: list(csv.DictReader(path.open(encoding="utf-8", newline="")))
        for path in folder.glob("*.csv")
    }


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def words(folder: Path) -> str:
    """All that a person can read in a folder."""
    texts = (path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file())
    return re.sub(r"\s+", " ", " ".join(texts))


def _nasal(name: str, patient: str, started: str, monitored: str, sent: str) -> dict[str, str]:
    return {
        "session_id": name, "patient_id": patient, "program": "esketamine", "status": "completed",
        "started_at": started, "monitoring_ended_at": monitored, "prescriber_id": "u1",
        "monitor_id": "u2", "rems_form_sent_at": sent, "rems_form_minutes": "124",
    }  # fmt: skip


def _infusion(name: str, patient: str) -> dict[str, str]:
    return {
        "session_id": name, "patient_id": patient, "program": "iv_ketamine",
        "status": "completed", "started_at": "2026-05-06T10:00", "prescriber_id": "u1",
        "ended_at": "2026-05-06T10:40",
    }  # fmt: skip


def _spray(session: str, patient: str, at: str, **more: str) -> dict[str, str]:
    return {
        "dose_id": f"{session}-d", "session_id": session, "patient_id": patient, "route": "IN",
        "drug": "esketamine", "amount_mg": "28", "started_at": at, "lot": "E1",
    } | more  # fmt: skip


def _given(session: str, **more: str) -> dict[str, str]:
    return {
        "dose_id": f"{session}-d", "session_id": session, "patient_id": "p3", "drug": "ketamine",
        "route": "IV", "amount_mg": "40", "started_at": "2026-05-06T10:00", "lot": "K1",
        "administered_by": "u1", "ended_at": "2026-05-06T10:40",
    } | more  # fmt: skip


def _supply(name: str, source: str) -> dict[str, str]:
    return {
        "dispense_id": name, "patient_id": "p1", "prescriber_id": "u1", "rx_id": "rx",
        "drug": "ketamine", "form": "troche", "strength_mg": "100", "quantity": "4",
        "days_supply": "28", "dispensed_at": "2026-05-07T10:00", "source": source,
    }  # fmt: skip


def _waiver(name: str, clinic: str, subject: str, since: str, until: str) -> dict[str, str]:
    return {
        "waiver_id": name, "clinic_id": clinic, "subject_id": subject, "rule_id": "two-hours",
        "reason": "agreed", "approved_by": "director", "approved_on": since, "expires_on": until,
    }  # fmt: skip


def _entry(name: str, kind: str, amount: str, at: str, **more: str) -> dict[str, str]:
    return {
        "entry_id": name, "lot": "K1", "drug": "ketamine", "kind": kind, "amount_mg": amount,
        "occurred_at": at, "actor_id": "u1",
    } | more  # fmt: skip
