"""Two versions of a protocol in one month: each governs its own days, and is counted apart."""

from __future__ import annotations

from tests.publish.nights import INFUSIONS, Nights

UNTIL_14 = INFUSIONS.replace("2020-01-01", "2020-01-01, to: 2026-05-14")
FROM_15 = (
    INFUSIONS.replace("2020-01-01", "2026-05-15")
    .replace("1.0.0", "2.0.0")
    .replace("max: 1.0", "max: 2.0")
)
COUNTS = (
    "SELECT protocol_version, month::VARCHAR, met, not_met FROM marts.rule_monthly "
    "WHERE rule_id = 'dose' ORDER BY ALL"
)


def deliver(nights: Nights, old: str, new: str) -> None:
    """Sessions of 1.25 mg/kg: at most 1 is allowed by the first version, 2 by the second. The last
    one begins on 14 May at 23:30 and is in UTC a session of 15 May.
    """
    nights.write_protocol("infusions.yaml", old)
    nights.write_protocol("infusions-2.yaml", new)
    nights.sessions(
        "north/2026-05-31",
        *(nights.session(f"s{day}", day=f"2026-05-{day}", dose=100) for day in (13, 15, 16)),
        nights.session(
            "late", patient="p2", dose=100, started_at="2026-05-14T23:30",
            ended_at="2026-05-15T00:10",
        ),
    )  # fmt: skip
    nights.publish()


def test_a_month_counts_each_version_apart(nights: Nights) -> None:
    deliver(nights, UNTIL_14, FROM_15)
    assert nights.read(COUNTS) == [("1.0.0", "2026-05-01", 0, 2), ("2.0.0", "2026-05-01", 2, 0)]
    assert nights.read(
        "SELECT subject_id, protocol_version FROM marts.subject_adherence ORDER BY ALL"
    ) == [("late", "1.0.0"), ("s13", "1.0.0"), ("s15", "2.0.0"), ("s16", "2.0.0")]


def test_in_force_by_course_a_course_keeps_the_version_it_began_under(nights: Nights) -> None:
    by_course = "in_force_by: course\njudges"
    deliver(
        nights, UNTIL_14.replace("judges", by_course, 1), FROM_15.replace("judges", by_course, 1)
    )
    assert nights.read(COUNTS) == [("1.0.0", "2026-05-01", 0, 4)]
