"""What each rule rests on: which feeds, and whose rows of them."""

from __future__ import annotations

import re
from typing import Literal

from protocols.model import Linked, Measure, Protocol, ResponseRule, Rule, Then
from protocols.said import said_by
from protocols.scope import COURSE, feed_columns

Whose = Literal["row", "session", "start", "patient", "earlier", "clinic"]
"""The judged row itself; rows of its session, of that only if it has no start of its own (`start`),
of its patient, of that up to its own start (`earlier`), of its clinic."""

_WORD = re.compile(r"[A-Za-z_]\w*")
_PEOPLE = re.compile(r"\b(prescriber|monitor|staff)\.")


def evidence(protocol: Protocol, rule: Rule) -> list[tuple[str, Whose]]:
    """(feed, whose) of the rows that can change a rule's verdict on a row it judges.

    The judged row and its clinic's (the time zone) always count.
    """
    parts, said = _parts(protocol, rule)
    words = set(_WORD.findall(said))
    found: set[tuple[str, Whose]] = {(part.of, part.by) for part in parts}
    found |= {(protocol.judges, "row"), ("clinics", "clinic")}
    if protocol.judges == "sessions":
        said_doses = any("dose" in word for word in words)
        found.add(("doses", "session" if said_doses else "start"))
        by_course = protocol.in_force_by == "course" or rule.kind in ("change", "rate")
        if by_course or words & (COURSE.keys() | {"lifetime_index"}):
            found |= {("sessions", "earlier"), ("doses", "earlier")}
        if "next_started_at" in words:
            found |= {("sessions", "patient"), ("doses", "patient")}
    if protocol.judges == "dispenses" and any(word.startswith("previous_") for word in words):
        found.add(("dispenses", "earlier"))
    patients = feed_columns("patients").keys() - feed_columns(protocol.judges).keys()
    if words & (patients | {"age_years", "lifetime_index"}) or "patient." in said:
        found.add(("patients", "patient"))
    if _PEOPLE.search(said):
        found.add(("staff", "clinic"))
    return sorted(found)


def linked_parts(protocol: Protocol, rule: Rule) -> list[Linked | Then]:
    """Parts of feeds that a rule and the measures it names look at."""
    return _parts(protocol, rule)[0]


def _parts(protocol: Protocol, rule: Rule) -> tuple[list[Linked | Then], str]:
    """Parts of feeds that a rule and the measures it names look at, and all that they say."""
    said = said_by(rule, {"id", "title", "source", "note"})
    parts: list[Linked | Then] = []
    if isinstance(rule, Linked):
        parts.append(rule)
    if isinstance(rule, ResponseRule):
        parts += [rule.trigger, rule.then]
    for measure in _named(protocol, said):
        parts.append(measure)
        said += said_by(measure)
    return parts, said


def _named(protocol: Protocol, said: str) -> list[Measure]:
    """Measures that a text names and those that they name, which stand before them."""
    words = set(_WORD.findall(said))
    named = []
    for name, measure in reversed(protocol.measures.items()):
        if name in words:
            named.append(measure)
            words |= set(_WORD.findall(said_by(measure)))
    return named
