"""A published run: what is in its folder, and what is not."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from tests.publish.nights import Nights

SECRETS = ("p1", "p2", "Ada", "Lovelace", "555-0100", "60614")


@pytest.fixture
def published(nights: Nights) -> Nights:
    nights.rows(
        "north/patients_2026-05-31.csv",
        [{"patient_id": "p1", "given_name": "Ada", "family_name": "Lovelace",
          "phone": "555-0100", "postal_code": "60614"}],
    )  # fmt: skip
    nights.sessions(
        "north/2026-05-31",
        nights.session("s1"),
        nights.session("s2", day="2026-05-11", dose=100),
        nights.session("s3", patient="p2", day="2026-04-30", minutes=90, weight_kg=""),
    )
    nights.sessions("south/2026-05-31", nights.session("s1", dose=None))
    nights.rows(
        "north/outcomes_2026-05-31.csv",
        [{"outcome_id": "o1", "patient_id": "p1", "session_id": "s1", "instrument": "PHQ-9",
          "administered_at": "2026-05-05T09:00", "total": "30"}],
    )  # fmt: skip
    nights.publish()
    return nights


def test_findings(published: Nights) -> None:
    found = published.read(
        "SELECT clinic_id, subject_kind, subject_id, rule_id, status, severity, observed "
        "FROM marts.findings ORDER BY ALL"
    )
    assert found == []
