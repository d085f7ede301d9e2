"""Published tables made up at random, and what of them is true, counted in plain Python."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import duckdb

CLINICS = ("north", "south", "east", "far")
PROGRAMS = ("iv", "nasal", "troche")
RULES = ("vitals", "dose", "escort")
# What may stand in no report for outsiders: ids of patients, sessions, lots.
SECRET = ("P-secret-", "S-secret-", "L-secret-", "T-secret-")

# (table, dimension, member, figure) -> count, and the people behind it.
Name = tuple[str, str, str, str]


@dataclass
class Truth:
    values: dict[Name, int] = field(default_factory=lambda: defaultdict(int))
    people: dict[Name, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, name: Name, patient: str) -> None:
        self.values[name] += 1
        self.people[name].add(patient)


def made_up(seed: int) -> tuple[duckdb.DuckDBPyConnection, Truth]:
    """A published run's tables, as far as a report for outsiders reads them."""
    pick = random.Random(seed)
    truth = Truth()
    subjects, courses, findings, monthly = [], [], [], []
    rates: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    session = 0
    for clinic in CLINICS:
        for number in range(pick.choice([2, 9, 14, 40])):
            patient = f"P-secret-{clinic}-{number}"
            truth.add(("patients", "clinic_id", clinic, "patients"), f"{clinic}/{patient}")
            truth.add(("patients", "network", "", "patients"), f"{clinic}/{patient}")
            program = pick.choices(PROGRAMS, weights=[8, 4, 1])[0]
            for _ in range(pick.choice([1, 2, 7])):
                session += 1
                day = date(2026, pick.choice([3, 4, 5]), 1 + pick.randrange(28))
                status, figure = pick.choices(
                    [("compliant", "compliant"), ("minor_misses", "compliant"),
                     ("non_compliant", "non_compliant"), ("pending", "undecided"),
                     ("incomplete", "undecided")], weights=[60, 10, 12, 3, 3])[0]  # fmt: skip
                subjects.append(("session", clinic, f"S-secret-{session}", patient, "ketamine",
                                 "1.0.0", program, day, status))  # fmt: skip
                for dimension, member in (
                    ("network", ""),
                    ("clinic_id", clinic),
                    ("program", program),
                    ("month", f"{day:%Y-%m}"),
                ):
                    for what in (figure, "all"):
                        truth.add(("sessions", dimension, member, what), f"{clinic}/{patient}")
                for rule in RULES:
                    met = pick.random() < 0.97
                    rates[clinic, rule][met] += 1
                    for what in ("met" if met else "not_met", "all"):
                        truth.add(("rules", "rule", f"ketamine/1.0.0/{rule}", what),
                                  f"{clinic}/{patient}")  # fmt: skip
                    if not met:
                        findings.append((clinic, patient, "ketamine", "1.0.0", rule, "not_met",
                                         "L-secret-9"))  # fmt: skip
            courses.append(_course(pick, truth, clinic, patient, program))
    monthly = [(clinic, "ketamine", "1.0.0", rule, met, missed)
               for (clinic, rule), (missed, met) in rates.items()]  # fmt: skip
    return _tables(subjects, courses, findings, monthly), truth


def _course(
    pick: random.Random, truth: Truth, clinic: str, patient: str, program: str
) -> tuple[object, ...]:
    response = pick.choice([True, False, None])
    said = {True: "responded", False: "no_response", None: "unknown"}[response]
    for dimension, member in (
        ("network", ""),
        ("clinic_id", clinic),
        ("program", program),
        ("protocol", "ketamine"),
    ):
        for what in (said, "all"):
            truth.add(("courses", dimension, member, what), f"{clinic}/{patient}")
    return (clinic, patient, "ketamine", program, response, True, True)


def _tables(*rows: list[tuple[object, ...]]) -> duckdb.DuckDBPyConnection:
    db = duckdb.connect()
    db.execute("CREATE SCHEMA marts; CREATE SCHEMA ops")
    shapes = {
        "subject_adherence": "subject_kind VARCHAR, clinic_id VARCHAR, subject_id VARCHAR, "
        "patient_id VARCHAR, protocol VARCHAR, protocol_version VARCHAR, program VARCHAR, "
        "local_date DATE, status VARCHAR",
        "outcome_courses": "clinic_id VARCHAR, patient_id VARCHAR, protocol VARCHAR, "
        "program VARCHAR, response_at_induction_end BOOLEAN, is_primary BOOLEAN, mature BOOLEAN",
        "findings": "clinic_id VARCHAR, patient_id VARCHAR, protocol VARCHAR, "
        "protocol_version VARCHAR, rule_id VARCHAR, status VARCHAR, reason VARCHAR",
        "rule_monthly": "clinic_id VARCHAR, protocol VARCHAR, protocol_version VARCHAR, "
        "rule_id VARCHAR, met BIGINT, not_met BIGINT",
    }
    for (table, shape), values in zip(shapes.items(), rows, strict=True):
        db.execute(f"CREATE TABLE marts.{table} ({shape})")
        if values:
            db.executemany(
                f"INSERT INTO marts.{table} VALUES ({', '.join('?' * len(values[0]))})", values
            )
    db.execute("CREATE TABLE marts.rules AS SELECT 'ketamine' AS protocol, "
               "'1.0.0' AS protocol_version, unnest(?) AS rule_id, rule_id AS title, "
               "'major' AS severity, 'T4' AS tier", [list(RULES)])  # fmt: skip
    db.execute("CREATE TABLE marts.clinics AS SELECT unnest(?) AS clinic_id, "
               "clinic_id || ' <i>clinic</i>' AS name", [list(CLINICS)])  # fmt: skip
    db.execute("CREATE TABLE ops.runs AS SELECT 1 AS seq, 'r1' AS run_id, ?::TIMESTAMPTZ AS as_of, "
               "'0' AS keel_version", [datetime(2026, 6, 1, tzinfo=UTC)])  # fmt: skip
    return db
