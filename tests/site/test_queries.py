"""What the report's queries count, on a few rows made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest

from flows.reports.breaches import MOST, newest_breaches
from flows.reports.changes import last_night
from flows.reports.deliveries import late_feeds
from flows.reports.figures import critical_by_age
from flows.reports.funnel_plots import funnel_plot
from flows.reports.pages.front import places, worklist
from flows.reports.periods import SESSION_COUNTS, periods
from flows.reports.rates import completeness, counted_rules, prepare
from flows.reports.standing import clinic_rows, recent
from flows.reports.trends import share_chart
from flows.reports.verdicts import targeted, without_target
from tests.site.small import add, finding, tables


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with tables() as made:
        yield made


class Looked:
    """What stands for a site: its tables, and the run that they are of."""

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self.db = db
        ((as_of,),) = db.execute("SELECT as_of FROM ops.runs WHERE seq = 2").fetchall()
        self.run = {"as_of": as_of}


def month(db: duckdb.DuckDBPyConnection, rule: str, of: str, met: int, not_met: int) -> None:
    add(db, "marts.rule_monthly", clinic_id="c1", protocol="p", protocol_version="2",
        rule_id=rule, month=of, met=met, not_met=not_met)  # fmt: skip


def test_a_rule_is_below_its_target_beyond_chance_or_within(
    db: duckdb.DuckDBPyConnection,
) -> None:
    for rule, met, not_met in (
        ("crit", 49, 1), ("chance", 18, 2), ("low", 10, 30), ("free", 0, 9),
    ):  # fmt: skip
        month(db, rule, "2026-10-01", met, not_met)
    prepare(db)
    rules = targeted(db, None)
    assert {row["rule_id"]: row["gap"] for row in rules} == {
        "crit": "below", "chance": "chance", "low": "below",
    }  # fmt: skip
    assert [row["rule_id"] for row in places(rules)] == ["crit", "low"]


def test_critical_rules_without_a_target_are_told_by_their_misses(
    db: duckdb.DuckDBPyConnection,
) -> None:
    db.execute(
        "INSERT INTO marts.rules SELECT 'p', '2', id, id, severity, NULL, 'T4' FROM (VALUES "
        "('few', 'critical'), ('many', 'critical'), ('answered', 'critical'), ('kept', 'critical'),"
        " ('lesser', 'major')) t(id, severity)"
    )
    for rule, of, met, not_met in (
        ("crit", "2026-10-01", 1, 90), ("few", "2026-10-01", 8, 2), ("few", "2026-07-01", 0, 80),
        ("many", "2026-09-01", 1, 4), ("many", "2026-10-01", 1, 5), ("kept", "2026-10-01", 9, 0),
        ("lesser", "2026-10-01", 1, 70), ("free", "2026-10-01", 1, 60),
    ):  # fmt: skip
        month(db, rule, of, met, not_met)
    add(db, "marts.rule_monthly", clinic_id="c2", protocol="p", protocol_version="2",
        rule_id="answered", month="2026-10-01", met=1, not_met=7, waived=7)  # fmt: skip
    add(db, "marts.rule_monthly", clinic_id="c2", protocol="p", protocol_version="2",
        rule_id="few", month="2026-10-01", met=1, not_met=3, waived=1)  # fmt: skip
    prepare(db)
    told = without_target(db, date(2026, 8, 1))
    assert [(row["rule_id"], row["misses"]) for row in told] == [("many", 9), ("few", 4)]


def test_a_rule_is_named_as_its_newest_version_has_it(db: duckdb.DuckDBPyConnection) -> None:
    month(db, "crit", "2026-10-01", 1, 0)
    prepare(db)
    assert [row["title"] for row in counted_rules(db, "title")] == ["Critical"]


def test_clinics_are_judged_by_three_months(db: duckdb.DuckDBPyConnection) -> None:
    for of, met in (("2026-07-01", 1), ("2026-08-01", 2), ("2026-10-01", 4)):
        month(db, "crit", of, met, 0)
    add(db, "marts.rule_monthly", month="2026-12-01", met=0, not_met=0)  # decides nothing
    prepare(db)
    since = recent(db)
    assert since == date(2026, 8, 1)
    assert [row["met"] for row in counted_rules(db, "rule_id", since)] == [6]


def test_what_was_waived_is_not_open(db: duckdb.DuckDBPyConnection) -> None:
    finding(db, "f1")
    finding(db, "f2", waived=True)
    finding(db, "f3", severity="major")
    finding(db, "f4", status="pending")
    prepare(db)
    (clinic,) = clinic_rows(db, ["c1"], [], None)
    assert (clinic["critical"], clinic["major"]) == (1, 1)


def test_open_critical_breaches_by_age(db: duckdb.DuckDBPyConnection) -> None:
    today = date(2026, 11, 4)
    for days in (0, 7, 8, 30, 31, 90, 91):
        finding(db, f"f{days}", started_at=f"{today - timedelta(days=days)} 23:00:00+00")
    finding(db, "undated", started_at=None)
    finding(db, "waived", waived=True)
    assert [count for _, count in critical_by_age(db)] == [2, 2, 2, 1, 1]


def test_what_changed_since_last_night(db: duckdb.DuckDBPyConnection) -> None:
    finding(db, "old")
    finding(db, "new", first_found_run="run2")
    finding(db, "minor", first_found_run="run2", severity="minor", rule_id="low")
    finding(db, "waived", first_found_run="run2", waived=True)
    for before, after in (("not_met", "met"), ("not_met", None), ("not_met", "not_met"),
                          ("pending", "not_met")):  # fmt: skip
        add(db, "ops.verdict_changes", run_id="run2", status_before=before, status_after=after,
            cause="correction")  # fmt: skip
    add(db, "ops.verdict_changes", run_id="run1", status_before="not_met", status_after="met")
    prepare(db)
    night = last_night(db)
    assert night is not None
    assert (night["opened"], night["critical"], night["closed"], night["changes"]) == (2, 1, 2, 4)
    assert [row["severity"] for row in night["where"]] == ["critical", "minor"]
    assert night["before"]["run_id"] == "run1"


def test_the_newest_breaches_are_listed_and_waived_ones_last(
    db: duckdb.DuckDBPyConnection,
) -> None:
    for at in range(MOST + 5):
        finding(db, f"f{at:02}", started_at=f"2026-10-01 {at // 60:02}:{at % 60:02}:00+00")
    finding(db, "waived", waived=True)
    prepare(db)
    listed = [row["subject_id"] for row in newest_breaches(db, "clinic_id")[("c1",)]]
    assert listed == [f"f{at:02}" for at in range(MOST + 4, 4, -1)]


def test_a_week_that_goes_on_is_not_drawn(db: duckdb.DuckDBPyConnection) -> None:
    for day in ("2026-10-26", "2026-11-01", "2026-11-02", "2026-11-03"):  # Monday, Sunday, ...
        add(db, "marts.subject_adherence", clinic_id="c1", subject_id=day, subject_kind="session",
            local_date=day, status="compliant")  # fmt: skip
    prepare(db)
    found = periods(db, f"clinic_id AS key, {SESSION_COUNTS}", "week")[("c1",)]
    assert [(row["period"], row["trials"]) for row in found] == [(date(2026, 10, 26), 2)]


def test_a_feed_is_late_by_its_last_loaded_delivery(db: duckdb.DuckDBPyConnection) -> None:
    for clinic, state, day in (
        ("late", "accepted", "2026-10-20"), ("blocked", "partial", "2026-10-20"),
        ("blocked", "blocked", "2026-11-04"), ("fresh", "accepted", "2026-10-20"),
        ("fresh", "partial", "2026-11-04"),
    ):  # fmt: skip
        add(db, "ops.batches", clinic_id=clinic, feed="sessions", state=state,
            delivered_at=f"{day} 06:00:00+00")  # fmt: skip

    found: Any = Looked(db)
    assert [(row["clinic_id"], row["days"]) for row in late_feeds(found)] == [
        ("blocked", 15), ("late", 15),
    ]  # fmt: skip


def test_the_worklist_is_soonest_first(db: duckdb.DuckDBPyConnection) -> None:
    for name, day in (("later", "05"), ("soon", "04"), ("last", "06")):
        add(db, "marts.worklist", clinic_id="c1", subject_id=name,
            due_at=f"2026-11-{day} 18:00:00+00")  # fmt: skip
    site: Any = Looked(db)
    assert [row["subject_id"] for row in worklist(site, 2)] == ["soon", "later"]


def test_completeness_counts_what_could_not_be_decided() -> None:
    found = completeness({"met": 6, "not_met": 2, "not_evaluable": 2})
    assert (found["hits"], found["trials"]) == (8, 10)


def test_a_funnel_names_who_lies_outside_on_either_side() -> None:
    found = [{"clinic_id": f"c{at}", "hits": 90, "trials": 100} for at in range(12)]
    found += [{"clinic_id": "low", "hits": 60, "trials": 100},
              {"clinic_id": "high", "hits": 200, "trials": 200}]  # fmt: skip
    chart = funnel_plot("Met", found, {"low": "Low Clinic", "high": "High Clinic"})
    assert "Lower than chance explains: Low Clinic." in chart.says
    assert "Higher: High Clinic." in chart.says
    assert [line[0] for line in chart.lines if line[-1] == "yes"] == ["High Clinic", "Low Clinic"]


def test_limits_begin_anew_with_a_version() -> None:
    weeks = [date(2026, 1, 5) + timedelta(weeks=at) for at in range(12)]
    found = [{"period": week, "hits": 50 + 40 * (at > 5), "trials": 100,
              "version": "1" if at < 6 else "2"} for at, week in enumerate(weeks)]  # fmt: skip
    assert (
        "Limits begin anew where the protocol changed" in share_chart(found, "T", "", "week").says
    )
    same = [{**row, "version": "1"} for row in found]
    assert "begin anew" not in share_chart(same, "T", "", "week").says
