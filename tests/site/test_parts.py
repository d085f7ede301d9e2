"""Parts of the site on small examples: safe names, words, windows of rules, the picture."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from flows.reports.links import FOLDERS, link, page_of
from flows.reports.templating import environment
from flows.reports.timeline import LEFT, RIGHT, WIDTH, timeline
from flows.reports.verdicts import network_answer, verdict
from flows.reports.words import counted, days, hours, length, local, number, percent, usd
from protocols.load import load_protocols
from protocols.vital_limits import vital_limits

AT = datetime(2026, 3, 8, 14, 0, tzinfo=UTC)


@given(st.sampled_from(FOLDERS), st.text(), st.text())
@example("sessions", "../../etc", "pass\x00wd")
@example("sessions", "", "")
@example("rules", "🌙", "'; DROP TABLE--")
def test_no_id_leads_out_of_the_folder(folder: str, one: str, other: str) -> None:
    path = page_of(folder, one, other)
    assert re.fullmatch(rf"{folder}/[a-z0-9-]+\.html", path)
    assert len(PurePosixPath(path).name) < 80


@given(st.lists(st.tuples(st.text(), st.text()), min_size=2, max_size=8, unique=True))
@example([("a", "b-c"), ("a-b", "c")])
def test_two_ids_never_share_a_page(ids: list[tuple[str, str]]) -> None:
    separate = {ids for ids in ids if "\x1f" not in "".join(ids)}
    assert len({page_of("sessions", *pair) for pair in separate}) == len(separate)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (percent(0.999), "99.9 %"), (percent(0.001), "<1 %"), (percent(1.0), "100 %"),
        (percent(None), "–"), (number(1234), "1,234"), (number(2.5), "2.5"),
        (usd(-1234.4), "−$1,234"), (usd(9.5), "$9.50"), (usd(0), "$0"),
        (hours(30.5), "30 h"), (hours(507), "21 days"), (counted(1, "new miss"), "1 new miss"),
        (counted(2, "new miss"), "2 new misses"), (counted(0, "clinic"), "0 clinics"),
        (counted(6, "day"), "6 days"),
        (counted(2, "delivery"), "2 deliveries"),
        (length(timedelta(minutes=119)), "119 min"), (length(timedelta(hours=47)), "47 h"),
        (length(timedelta(days=3)), "3 days"),
        (local(AT, "America/New_York"), "Sun 8 Mar 10:00"),
        (days(AT.date(), AT.date()), "8 Mar 2026"),
        (days(date(2026, 10, 28), date(2026, 11, 1)), "28 Oct to 1 Nov 2026"),
        (days(date(2025, 12, 30), date(2026, 1, 2)), "30 Dec 2025 to 2 Jan 2026"),
    ],
)  # fmt: skip
def test_words(said: str, words: str) -> None:
    assert said == words


def rule(severity: str, met: int, not_met: int, target: float) -> dict[str, Any]:
    from flows.reports.rates import rate

    made = rate(met, met + not_met)
    below = made["share"] is not None and made["share"] < target
    gap = ("below" if made["high"] < target else "chance") if below else None
    return {"severity": severity, "met": met, "not_met": not_met, "not_evaluable": 0,
            "rate": made, "gap": gap}  # fmt: skip


def test_a_clinics_verdict_follows_its_gravest_rule() -> None:
    good, chance = rule("critical", 50, 0, 1.0), rule("major", 19, 1, 0.98)
    minor, grave = rule("major", 10, 30, 0.95), rule("critical", 49, 1, 1.0)
    assert verdict([good])["mark"] == "ok"
    assert verdict([good, chance])["mark"] == "watch"
    assert verdict([good, chance, minor])["mark"] == "below"
    assert verdict([good, minor, grave])["mark"] == "act"
    assert verdict([grave, minor])["why"] == "1 critical rule below target, 1 more below"
    assert verdict([rule("critical", 0, 0, 1.0)])["mark"] == "none"


def test_the_networks_answer_is_one_sentence() -> None:
    marks = [{"mark": "ok"}, {"mark": "act"}, {"mark": "none"}]
    assert network_answer(marks) == "No: 1 of 2 clinics is below target on a critical rule."
    assert network_answer([{"mark": "ok"}]).startswith("Yes")
    assert network_answer([{"mark": "none"}]).startswith("Nothing can be said")


def event(minute: float, feed: str, kind: str, value: float | None = None) -> dict[str, Any]:
    return {"happened_at": AT + timedelta(minutes=minute), "until_at": None, "feed": feed,
            "kind": kind, "value": value, "word": None}  # fmt: skip


def test_a_reading_and_a_window_stand_where_their_time_is() -> None:
    events = [event(0, "sessions", "started_at"), event(60, "sessions", "discharged_at"),
              event(30, "vitals", "spo2_pct", 97.0)]  # fmt: skip
    rules: list[dict[str, Any]] = [
        {"status": "not_met", "starts_at": AT, "ends_at": AT + timedelta(minutes=30),
         "title": "Watched", "rule_id": "watched"},
        {"status": "met", "starts_at": None, "ends_at": AT - timedelta(hours=9), "title": "Before",
         "rule_id": "before"},
    ]  # fmt: skip
    limits = [{"column_name": "spo2_pct", "value": 90.0}]
    made = timeline(events, rules, limits, "America/New_York")
    assert made is not None
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    (reading,) = made.panels[0].lines[0]
    assert reading.x == pytest.approx(middle, abs=0.1)
    assert reading.says == "97 at 10:30"
    assert [words for _, words in made.panels[0].limits] == ["90"]
    (window,) = made.windows
    assert window["title"] == "Watched"
    assert window["x"] + window["width"] == pytest.approx(middle, abs=0.1)
    assert [words for _, _, words, _ in made.moments] == ["start 10:00", "left 11:00"]


def test_nothing_charted_makes_no_picture() -> None:
    assert timeline([], [], [], "UTC") is None


def test_limits_of_vital_signs_are_those_that_rules_name() -> None:
    found = {limit[2:] for limit in vital_limits(load_protocols((), True))
             if limit.protocol == "iv-ketamine-depression"}  # fmt: skip
    assert ("oxygen-saturation", "spo2_pct", 90.0) in found
    assert {("fit-to-start", "systolic_mmhg", limit) for limit in (90.0, 180.0)} <= found
    assert ("high-pressure-answered", "diastolic_mmhg", 110.0) in found
    assert not any(rule_id == "pressure-rise-checked" for rule_id, _, _ in found)


def test_a_template_asks_a_row_for_its_column() -> None:
    asked = environment().from_string("{{ row.items }}, {{ row.title.upper() }}")
    assert asked.render(row={"items": 3, "title": "dose"}) == "3, DOSE"
    with pytest.raises(UndefinedError):
        asked.render(row={"items": 3})


def test_a_link_holds_no_markup_of_what_it_names() -> None:
    made = link("../", page_of("clinics", "n"), '<b>"North"</b>')
    assert made.endswith(">&lt;b&gt;&#34;North&#34;&lt;/b&gt;</a>")
    assert made.startswith('<a href="../clinics/n-')
