"""Rules that rest on a legal fact say its dates and numbers; the file of facts is strict."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from protocols.errors import ProtocolError
from protocols.legal import LegalFact, coming, legal_facts, parsed_facts
from protocols.load import load_protocols
from tests.protocols.loosening import written

FACTS = legal_facts()
RULES: dict[str, dict[str, Any]] = {
    f"{protocol.protocol}/{rule['id']}": rule
    for protocol in load_protocols([])
    for rule in written(protocol)["rules"]
}


def days_of(rule: dict[str, Any]) -> set[date]:
    """Days that a rule's expressions name."""
    said = str({name: value for name, value in rule.items() if name not in ("title", "note")})
    return {date.fromisoformat(day) for day in re.findall(r"\d{4}-\d\d-\d\d", said)}


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.id)
def test_rules_that_rest_on_a_fact_agree_with_it(fact: LegalFact) -> None:
    said: set[date] = set()
    numbers: set[str] = set()
    for name in fact.rules:
        assert name in RULES, f"{name} is no rule of the library"
        rule = RULES[name]
        assert rule["tier"] == "T1"
        assert days_of(rule) <= set(fact.dates)
        assert ("note" in rule) or fact.status == "confirmed", f"{name} must say it is unconfirmed"
        said |= days_of(rule)
        numbers |= set(re.findall(r"\d+", f"{rule.get('min')} {rule.get('max')}"))
    if fact.rules:
        assert said == set(fact.dates)
    assert {f"{value:g}" for value in fact.values} <= numbers


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule["tier"] == "T1"])
def test_every_day_of_a_rule_of_law_is_that_of_a_fact(name: str) -> None:
    known = {day for fact in FACTS for day in fact.dates}
    assert days_of(RULES[name]) <= known, "write the day into protocols/legal.yaml"


def test_telemedicine_from_2027_is_not_confirmed() -> None:
    later = [f for f in FACTS if "telemedicine" in f.id and f.from_ and f.from_.year >= 2027]
    assert [fact.status for fact in later] == ["unconfirmed"]


def test_what_is_coming() -> None:
    def told(day: date) -> list[tuple[str, str]]:
        return [(fact.id, how) for fact, _, how in coming(FACTS, day, 30)]

    assert told(date(2026, 11, 30)) == []
    assert told(date(2026, 12, 1)) == [("telemedicine-2026", "ends")]
    assert told(date(2026, 12, 2)) == [
        ("telemedicine-2026", "ends"), ("telemedicine-2027", "begins")
    ]  # fmt: skip
    assert told(date(2027, 1, 1)) == [("telemedicine-2027", "begins")]
    assert told(date(2027, 1, 2)) == []


GOOD = """\
facts:
  - id: one
    says: Something.
    citation: A law
    from: 2026-01-01
    to: 2026-12-31
    status: confirmed
    confirmed_on: 2026-02-01
"""


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("    confirmed_on: 2026-02-01\n", "", "line 2: facts.0: `confirmed_on` is the day"),
        ("status: confirmed", "status: unconfirmed", "line 2: facts.0: `confirmed_on`"),
        ("status: confirmed", "status: sure", "line 7: facts.0.status: "),
        ("to: 2026-12-31", "to: 2025-12-31", "`to` is before `from`"),
        ("says: Something.", "sais: Something.", "line 3: facts.0.sais: "),
        ("from: 2026-01-01", "from: tomorrow", "line 5: facts.0.from"),
        ("  - id: one", "  - id: one\n    id: two", "stands here twice"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(was: str, now: str, said: str) -> None:
    assert parsed_facts(GOOD)[0].dates == (date(2026, 1, 1), date(2026, 12, 31))
    assert was in GOOD
    with pytest.raises(ProtocolError) as error:
        parsed_facts(GOOD.replace(was, now))
    assert said in str(error.value)


def test_two_facts_of_one_id_are_refused() -> None:
    with pytest.raises(ProtocolError, match="line 9: the fact one stands here twice"):
        parsed_facts(GOOD + GOOD.removeprefix("facts:\n"))
