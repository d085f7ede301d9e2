"""Which columns an expression of a protocol may name, and of what type each is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NoReturn

from checks.contract import contract
from protocols.durations import Span
from protocols.expressions import Expression, Type, compile_expression
from protocols.model import (
    CadenceRule,
    ChangeRule,
    ElapsedRule,
    Judges,
    Measure,
    OccurrenceRule,
    Protocol,
    ResponseRule,
    Rule,
    ValueRule,
)  # fmt: skip
from protocols.parsing import ExpressionError, shortened
from protocols.said import said_by

_WORD = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")
Fail = Callable[[tuple[str | int, ...], str], NoReturn]

_TYPES: Mapping[str, Type] = {
    "text": "text", "time": "text", "int": "number", "number": "number", "decimal": "number",
    "bool": "bool", "date": "date", "timestamp": "timestamp",
}  # fmt: skip
COURSE: Mapping[str, Type] = {
    "course": "number", "course_index": "number", "course_started_at": "timestamp",
    "course_day": "number", "course_week": "number", "previous_started_at": "timestamp",
    "next_started_at": "timestamp",
}  # fmt: skip
DOSE: Mapping[str, Type] = {
    "dose_mg": "number", "dose_count": "number", "dose_mg_per_kg": "number",
    "first_dose_at": "timestamp", "last_dose_at": "timestamp", "lifetime_index": "number",
}  # fmt: skip
ITEMS: Mapping[str, Type] = {f"item_{number}": "number" for number in range(1, 41)}
DERIVED: Mapping[Judges, Mapping[str, Type]] = {
    "sessions": {**DOSE, "infusion_minutes": "number"},
    "dispenses": {
        "amount_mg": "number", "previous_dispensed_at": "timestamp",
        "previous_local_date": "date", "previous_days_supply": "number",
    },
    "outcomes": ITEMS,
}  # fmt: skip
PEOPLE: Mapping[Judges, Mapping[str, str]] = {
    "sessions": {"prescriber": "prescriber_id", "monitor": "monitor_id"},
    "dispenses": {"prescriber": "prescriber_id"},
    "outcomes": {},
}


def feed_columns(feed: str) -> dict[str, Type]:
    """A feed's columns that protocols may name: direct identifiers are out of reach."""
    held = contract(feed)
    clinic: dict[str, Type] = {"clinic_id": "text"}
    return clinic | {
        column.name: _TYPES[column.type]
        for column in held.columns
        if column.phi != "direct" and column.name != "deleted"
    }


@cache
def population_columns(judges: Judges) -> Mapping[str, Type]:
    """What a population may name: the row, its people, its clinic; no course, no measure."""
    own = feed_columns(judges)
    patient = feed_columns("patients")
    columns: dict[str, Type] = {**patient, **own}
    columns |= {f"patient.{name}": kind for name, kind in patient.items()}
    for person in PEOPLE[judges]:
        columns |= {f"{person}.{name}": kind for name, kind in feed_columns("staff").items()}
    columns |= {f"clinic.{name}": kind for name, kind in feed_columns("clinics").items()}
    columns |= {"local_date": "date", "age_years": "number"}
    return columns | dict(DERIVED[judges])


def judged_columns(judges: Judges, measures: Mapping[str, Type]) -> dict[str, Type]:
    """What a rule may name of a judged row."""
    course = COURSE if judges == "sessions" else {}
    return {**population_columns(judges), **course, **measures}


def linked_columns(feed: str, judged: Mapping[str, Type]) -> dict[str, Type]:
    """What `among`, `where` and a measure's `expr` may name: the feed row's columns, and `this.`"""
    columns = feed_columns(feed)
    if "staff_id" in columns:
        columns |= {f"staff.{name}": kind for name, kind in feed_columns("staff").items()}
    if feed == "outcomes":
        columns |= ITEMS
    return columns | {f"this.{name}": kind for name, kind in judged.items()}


def named_columns(protocols: Sequence[Protocol]) -> set[str]:
    """What protocols may name of a judged row."""
    said = [said_by(protocol, {"examples"}) for protocol in protocols]
    return set().union(*map(named_in, said))


def named_in(text: str) -> set[str]:
    """Columns of a judged row that a text may name: every word of it, rather one too many."""
    words = set(_WORD.findall(text))
    return words | {word.removeprefix("this.") for word in words}


def measure_types(protocol: Protocol) -> dict[str, Type]:
    """Type of each measure, in the order in which they stand."""
    found: dict[str, Type] = {}
    for name, measure in protocol.measures.items():
        found[name] = "number"
        if measure.expr is not None:
            judged = judged_columns(protocol.judges, {n: t for n, t in found.items() if n != name})
            kind = compile_expression(measure.expr, linked_columns(measure.of, judged)).type
            found[name] = kind
    return found


def check_expressions(protocol: Protocol, fail: Fail) -> None:
    """Compile every expression and look up every anchor; `fail` is told where and what is wrong."""
    checker = _Checker(protocol, fail)
    if protocol.population is not None:
        checker.condition(protocol.population, population_columns(protocol.judges), ("population",))
    known: dict[str, Type] = {}
    for name, measure in protocol.measures.items():
        known[name] = checker.measure(name, measure, judged_columns(protocol.judges, known))
    judged = judged_columns(protocol.judges, known)
    for at, rule in enumerate(protocol.rules):
        checker.rule(rule, judged, ("rules", at))


class _Checker:
    def __init__(self, protocol: Protocol, fail: Fail) -> None:
        self._protocol, self._fail = protocol, fail

    def compile(
        self, text: str, columns: Mapping[str, Type], path: tuple[str | int, ...]
    ) -> Expression:
        try:
            return compile_expression(text, columns)
        except ExpressionError as error:
            self._fail(path, f"`{shortened(text)}` {error}")

    def condition(
        self, text: str | None, columns: Mapping[str, Type], path: tuple[str | int, ...]
    ) -> None:
        if text is not None and self.compile(text, columns, path).type not in ("bool", "null"):
            self._fail(path, f"`{shortened(text)}` is no condition; compare it with something")

    def measure(self, name: str, measure: Measure, judged: Mapping[str, Type]) -> Type:
        path = ("measures", name)
        if name in judged:
            self._fail(path, f"{name} is a column already; give the measure another name")
        self.linked(measure, judged, path)
        if measure.expr is None:
            return "number"
        columns = linked_columns(measure.of, judged)
        kind = self.compile(measure.expr, columns, (*path, "expr")).type
        if measure.take == "sum" and kind != "number":
            self._fail((*path, "expr"), "only numbers can be summed")
        return kind

    def linked(
        self,
        part: Measure | OccurrenceRule | CadenceRule,
        judged: Mapping[str, Type],
        path: tuple[str | int, ...],
    ) -> None:
        self.link(part.of, part.by, path)
        self.window(part.window, judged, (*path, "window"))
        self.condition(part.among, linked_columns(part.of, judged), (*path, "among"))

    def link(self, feed: str, by: str, path: tuple[str | int, ...]) -> None:
        judges = self._protocol.judges
        columns = feed_columns(feed)
        needed = {"session": "session_id", "patient": "patient_id"}.get(by, "clinic_id")
        if needed not in columns and not (feed == "vitals" and by == "patient"):
            self._fail(path, f"{feed} has no {needed} to be linked by {by}")
        if needed not in feed_columns(judges):
            self._fail(path, f"{judges} has no {needed} to be linked by {by}")

    def window(
        self, window: Span | None, judged: Mapping[str, Type], path: tuple[str | int, ...]
    ) -> None:
        for bound in (window.start, window.end) if window else ():
            if bound is not None:
                self.anchor(bound.anchor, judged, path)

    def anchor(self, name: str, judged: Mapping[str, Type], path: tuple[str | int, ...]) -> None:
        times = [known for known, kind in judged.items() if kind in ("timestamp", "date")]
        if name not in judged:
            self._fail(
                path, f"{shortened(name)} is no column that names a time{_near(name, times)}"
            )
        if name not in times:
            self._fail(path, f"{name} is neither a timestamp nor a date{_near(name, times)}")

    def rule(self, rule: Rule, judged: Mapping[str, Type], path: tuple[str | int, ...]) -> None:
        self.condition(rule.when, judged, (*path, "when"))
        match rule:
            case ValueRule():
                self.value(rule, judged, path)
            case ElapsedRule():
                self.anchor(rule.from_, judged, (*path, "from"))
                self.anchor(rule.to, judged, (*path, "to"))
            case OccurrenceRule():
                self.linked(rule, judged, path)
                self.condition(rule.where, linked_columns(rule.of, judged), (*path, "where"))
            case CadenceRule():
                self.linked(rule, judged, path)
            case ChangeRule():
                if self.compile(rule.expr, judged, (*path, "expr")).type != "number":
                    self._fail((*path, "expr"), f"`{shortened(rule.expr)}` is no number")
            case ResponseRule():
                trigger, then = rule.trigger, rule.then
                self.link(trigger.of, trigger.by, (*path, "trigger"))
                self.window(trigger.window, judged, (*path, "trigger", "window"))
                columns = linked_columns(trigger.of, judged)
                self.condition(trigger.among, columns, (*path, "trigger", "among"))
                self.condition(trigger.where, columns, (*path, "trigger", "where"))
                self.link(then.of, then.by, (*path, "then"))
                columns = linked_columns(then.of, judged)
                self.condition(then.where, columns, (*path, "then", "where"))

    def value(
        self, rule: ValueRule, judged: Mapping[str, Type], path: tuple[str | int, ...]
    ) -> None:
        kind = self.compile(rule.expr, judged, (*path, "expr")).type
        allowed = rule.in_ if rule.in_ is not None else (rule.is_,)
        if rule.min is not None or rule.max is not None:
            wanted: set[str] = {"number"}
        else:
            wanted = {_type_of(item) for item in allowed}
        if kind not in wanted | {"null"} or len(wanted) > 1:
            self._fail(
                (*path, "expr"),
                f"`{shortened(rule.expr)}` is a {kind}, its limit is not; "
                "give min and max to a number, `in` or `is` of its kind to others",
            )


def _near(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _type_of(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else "text"
