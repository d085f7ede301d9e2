"""Whether a protocol's parts go together: ids, sources, scopes, limits, dates, worked examples."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from protocols.extending import nearest
from protocols.instruments import instruments
from protocols.model import (
    CadenceRule,
    ElapsedRule,
    OccurrenceRule,
    Protocol,
    RateRule,
    ResponseRule,
    Rule,
    ValueRule,
)
from protocols.readings import check_examples

Fail = Callable[[tuple[str | int, ...], str], NoReturn]


def check_coherence(protocol: Protocol, fail: Fail) -> None:
    """`fail` is told where and what is wrong."""
    _check_dates(protocol, fail)
    _check_judged(protocol, fail)
    seen: set[str] = set()
    for at, rule in enumerate(protocol.rules):
        if rule.id in seen:
            fail(("rules", at, "id"), f"the rule {rule.id} stands here twice; rename one")
        seen.add(rule.id)
        _check_source(protocol, at, rule, fail)
        _check_limits(at, rule, fail)
    for name in protocol.measures:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            fail(("measures", name), f"{name} is no name for a measure; use a-z, 0-9 and _")
    _check_primary(protocol, fail)
    check_examples(protocol, fail)


def _check_primary(protocol: Protocol, fail: Fail) -> None:
    """Cohorts are made of a scale that has totals."""
    if protocol.primary is None:
        return
    name = protocol.primary.instrument
    known = [scale.key for scale in instruments().instruments if scale.scoring.by != "triage"]
    if name not in known:
        fail(("primary", "instrument"), f"{name} is no scale with totals that Keel knows"
             f"{nearest(name, known)}")  # fmt: skip


def _check_dates(protocol: Protocol, fail: Fail) -> None:
    effective = protocol.effective
    if effective.to is not None and effective.to < effective.from_:
        fail(("effective", "to"), f"{effective.to} is before {effective.from_}, when it begins")


def _check_judged(protocol: Protocol, fail: Fail) -> None:
    """Programmes, courses and changes are of sessions."""
    if protocol.judges == "sessions":
        return
    allowed = f"is of sessions, this judges {protocol.judges}; name its rows by `population`"
    for name in ("programs", "course", "in_force_by"):
        given = name in protocol.model_fields_set and getattr(protocol, name) is not None
        if given and getattr(protocol, name) != "session":
            fail((name,), f"{name} {allowed}")
    for at, rule in enumerate(protocol.rules):
        if rule.kind == "change":
            fail(("rules", at, "kind"), f"the kind change is of sessions, this judges "
                 f"{protocol.judges}; compare columns with value")  # fmt: skip


def _check_source(protocol: Protocol, at: int, rule: Rule, fail: Fail) -> None:
    path = ("rules", at, "source")
    if rule.tier == "T4":
        if rule.source is not None:
            fail(path, f"the house rule {rule.id} (T4) must not name a source; take it out, or "
                 "give the rule its source's tier")  # fmt: skip
        return
    if rule.source is None:
        fail(("rules", at, "tier"), f"the rule {rule.id} ({rule.tier}) needs a source; name one, "
             "or make it T4")  # fmt: skip
    source = protocol.sources.get(rule.source)
    if source is None:
        hint = nearest(rule.source, list(protocol.sources))
        fail(path, f"the source {rule.source} of {rule.id} is not under `sources`{hint}")
    if source.tier != rule.tier:
        fail(path, f"the rule {rule.id} is {rule.tier}, its source is {source.tier}; make them one")


def _check_limits(at: int, rule: Rule, fail: Fail) -> None:
    """Limits that nothing can meet, and lengths of no time."""
    path = ("rules", at)
    match rule:
        case ValueRule() if rule.min is not None and rule.max is not None and rule.min > rule.max:
            fail((*path, "min"), f"nothing is at least {rule.min:g} and at most {rule.max:g}")
        case ElapsedRule() if rule.min is not None and rule.max is not None:
            known = {rule.min.calendar_days is None, rule.max.calendar_days is None}
            if len(known) == 1 and (rule.min.microseconds, rule.min.calendar_days or 0) > (
                rule.max.microseconds, rule.max.calendar_days or 0,
            ):  # fmt: skip
                fail((*path, "min"), f"nothing lasts at least {rule.min.text} and at most "
                     f"{rule.max.text}")  # fmt: skip
        case OccurrenceRule() if rule.at_least is not None and rule.at_most is not None:
            if rule.at_least > rule.at_most:
                fail((*path, "at_least"), f"nothing is at least {rule.at_least} and at most "
                     f"{rule.at_most}")  # fmt: skip
        case CadenceRule() if rule.every.microseconds <= 0 or rule.tolerance.microseconds < 0:
            fail((*path, "every"), "a cadence is longer than no time, for example 15m")
        case RateRule() if rule.within.microseconds <= 0 and (rule.within.calendar_days or 0) <= 0:
            fail((*path, "within"), "a rate is within more than no time, for example 7d")
        case ResponseRule() if rule.then.within.microseconds < 0:
            fail((*path, "then", "within"), "an answer comes after its trigger, for example 15m")
