"""Waivers: two nights in which each waiver begins, holds, ends or never holds.

A night at 06:00 UTC on 1 June is 1 June at north (Chicago) and still 31 May at south (Phoenix).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import duckdb
import pytest

from tests.publish.nights import Nights, plain_nights

FIRST = datetime(2026, 6, 1, 6, tzinfo=UTC)
SECOND = datetime(2026, 6, 2, 6, tzinfo=UTC)
# Session (its dose is not met): its waiver; whether that holds in the first and the second night.
WAIVERS = {
    "open": ({"approved_on": "2026-05-20"}, (True, True)),
    "from_today": ({"approved_on": "2026-06-01"}, (True, True)),
    "until_today": ({"approved_on": "2026-05-20", "expires_on": "2026-06-01"}, (True, False)),
    "from_tomorrow": ({"approved_on": "2026-06-02"}, (False, True)),
    "until_yesterday": ({"approved_on": "2026-05-01", "expires_on": "2026-05-31"}, (False, False)),
    "withdrawn": ({"approved_on": "2026-05-20"}, (True, False)),
    "elsewhere": ({"approved_on": "2026-05-20", "clinic_id": "south"}, (False, False)),
    "other_rule": ({"approved_on": "2026-05-20", "rule_id": "time"}, (False, False)),
    "none": (None, (False, False)),
}
NETWORK = "everywhere"  # a session of both clinics, waived by the network from 1 June, local days


@pytest.fixture(scope="module")
def waived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    """Two published nights. The session `met` is waived too, and has nothing to waive."""
    nights = Nights(tmp_path_factory.mktemp("waivers"))
    nights.sessions(
        "north/2026-05-05",
        *(nights.session(name, patient=f"p-{name}", dose=100) for name in (*WAIVERS, NETWORK)),
        nights.session("met", patient="p-met"),
    )
    nights.sessions("south/2026-05-05", nights.session(NETWORK, dose=100))
    given = {name: waiver for name, (waiver, _) in WAIVERS.items() if waiver is not None}
    given |= {
        NETWORK: {"approved_on": "2026-06-01", "clinic_id": ""},
        "met": {"approved_on": "2026-05-20"},
    }
    rows = [
        {"waiver_id": f"w-{name}", "subject_id": name, "rule_id": "dose", "clinic_id": "north",
         "reason": "agreed", "approved_by": "medical director"} | waiver
        for name, waiver in given.items()
    ]  # fmt: skip
    nights.rows("_network/waivers_2026-06-01.csv", rows)
    with plain_nights():
        nights.publish(as_of=FIRST)
        gone = {"waiver_id": "w-withdrawn", "clinic_id": "north", "deleted": "true"}
        nights.rows("_network/waivers_2026-06-02.csv", [gone])
        nights.publish(as_of=SECOND)
    yield nights


def read(nights: Nights, night: int, query: str) -> list[tuple[object, ...]]:
    """A query over one of the two published runs."""
    (run,) = nights.settings.publish.glob(f"00000{night}-*")
    with duckdb.connect(str(run / "results.duckdb"), read_only=True) as db:
        return db.execute(query).fetchall()


@pytest.mark.parametrize("night", [1, 2])
def test_a_waiver_holds_on_its_local_days(waived: Nights, night: int) -> None:
    found = read(
        waived, night,
        "SELECT clinic_id, subject_id, status, waived FROM marts.findings WHERE rule_id = 'dose'",
    )  # fmt: skip
    expected = [
        ("north", name, "not_met", holds[night - 1]) for name, (_, holds) in WAIVERS.items()
    ]
    expected += [("north", NETWORK, "not_met", True), ("south", NETWORK, "not_met", night == 2)]
    assert sorted(found) == sorted(expected)


def test_it_marks_only_its_rule(waived: Nights) -> None:
    assert waived.read("SELECT DISTINCT rule_id FROM marts.findings WHERE waived") == [("dose",)]


def test_it_leaves_the_status_of_its_session(waived: Nights) -> None:
    assert waived.read(
        "SELECT status, worst_severity, not_met, count(*) FROM marts.subject_adherence "
        "WHERE subject_id <> 'met' GROUP BY ALL"
    ) == [("non_compliant", "critical", 1, len(WAIVERS) + 2)]


@pytest.mark.parametrize(("night", "held"), [(1, 5), (2, 4)])
def test_rates_with_and_without_waived(waived: Nights, night: int, held: int) -> None:
    """North has ten doses not met, and one met, whose waiver counts nowhere."""
    ((met, not_met, counted, rate, without),) = read(
        waived, night,
        "SELECT met, not_met, waived, rate, rate_without_waived FROM marts.rule_monthly "
        "WHERE clinic_id = 'north' AND rule_id = 'dose'",
    )  # fmt: skip
    assert (met, not_met, counted) == (1, 10, held)
    assert (rate, without) == (pytest.approx(1 / 11), pytest.approx(1 / (11 - held)))


def test_a_waiver_that_begins_or_ends_is_a_change(waived: Nights) -> None:
    assert waived.read(
        "SELECT clinic_id, subject_id, rule_id, status_before, status_after, waived_before, "
        "waived_after FROM ops.verdict_changes WHERE cause = 'waiver' ORDER BY ALL"
    ) == [
        ("north", "from_tomorrow", "dose", "not_met", "not_met", False, True),
        ("north", "until_today", "dose", "not_met", "not_met", True, False),
        ("north", "withdrawn", "dose", "not_met", "not_met", True, False),
        ("south", NETWORK, "dose", "not_met", "not_met", False, True),
    ]
    assert waived.read("SELECT count(*) FROM ops.verdict_changes WHERE cause <> 'waiver'") == [(0,)]
