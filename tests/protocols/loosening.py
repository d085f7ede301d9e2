"""Every number of a protocol's rules, one unit looser: which of them does no worked example notice?

A limit that nobody notices when it moves is a limit that nobody has shown. All looser rules of a
protocol are judged in one call, as further rules beside the written ones.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import sqlglot
from pydantic import TypeAdapter
from sqlglot import expressions as nodes

from protocols.evaluate import judge
from protocols.examples import NOT_JUDGED, example_facts
from protocols.extending import whole
from protocols.load import _known, load_protocols
from protocols.model import Measure, Protocol, Rule

# Where a protocol is changed: a path into its data.
Path = tuple[str | int, ...]

_RULE: TypeAdapter[Any] = TypeAdapter(Rule)
_LENGTH = re.compile(r"(-?[0-9.]+)(s|m|h|d|cd)")
# Which way a limit moves when it is loosened; None: not known, so both are tried.
_LIMITS: Mapping[str, int] = {
    "min": -1, "max": 1, "at_least": -1, "at_most": 1, "every": 1, "tolerance": 1,
    "max_increase": 1, "max_decrease": 1, "max_increase_pct": 1, "max_decrease_pct": 1,
}  # fmt: skip
_UP_MEETS = (nodes.LT, nodes.LTE)
_DOWN_MEETS = (nodes.GT, nodes.GTE)


@dataclass(frozen=True)
class Change:
    """One number moved by one unit, at a path within the rule, the measure or the protocol."""

    path: Path
    was: str
    now: Any
    way: int | None
    at: int = 0  # which number of an expression

    @property
    def place(self) -> str:
        """What a person looks up: `dose.max`, `bp.where (2)`."""
        said = ".".join(str(step) for step in self.path)
        return f"{said} ({self.at + 1})" if self.at else said


def unnoticed(protocol: Protocol) -> list[str]:
    """Numbers that can be one unit looser while every worked example still holds."""
    found = verdicts(protocol)
    quiet: list[str] = []
    groups: dict[tuple[str, Path, int], list[tuple[Change, str]]] = {}
    for subject, change, key in found.changes:
        groups.setdefault((subject, change.path, change.at), []).append((change, key))
    for (subject, _, _), tried in groups.items():
        # Where the looser way is not known, one of both must be noticed.
        if not any(found.notices(key) for _, key in tried):
            change = tried[0][0]
            ways = " or ".join(str(one.now) for one, _ in tried)
            quiet.append(f"{subject}: {change.place}: {change.was} -> {ways}")
    return quiet


@dataclass(frozen=True)
class Verdicts:
    """What the examples say of each change, by its key: `touched`, the rules that it may move, and
    `seen`, example and rule to status."""

    protocol: Protocol
    changes: list[tuple[str, Change, str]]
    touched: dict[str, set[str]]
    seen: dict[str, dict[tuple[int, str], str]]

    def notices(self, key: str) -> bool:
        """Whether some worked example no longer holds."""
        return any(
            self.seen.get(key, {}).get((at, rule), NOT_JUDGED) != expected
            for at, example in enumerate(self.protocol.examples)
            for rule, expected in example.expect.items()
            if rule in self.touched[key]
        )


def verdicts(protocol: Protocol) -> Verdicts:
    """Judge the worked examples by every looser form of the protocol at once."""
    data = written(protocol)
    main = protocol.always().model_copy(update={"clinics": None})
    changes: list[tuple[str, Change, str]] = []
    touched: dict[str, set[str]] = {}
    extra: list[Any] = []
    others: list[Protocol] = []
    origin: dict[tuple[str, str], tuple[str, str]] = {}
    for rule in data["rules"]:
        for number, change in enumerate(rule_changes(rule)):
            key = f"{rule['id']}--{number}"
            extra.append(_RULE.validate_python({**_with(rule, change), "id": key}))
            changes.append((rule["id"], change, key))
            touched[key] = {rule["id"]}
            origin[main.protocol, key] = (key, rule["id"])
    for name, measure in data.get("measures", {}).items():
        reached = _reached(data, name)
        for number, change in enumerate(part_changes(measure, None)):
            key = f"{protocol.protocol}--{name}-{number}".replace("_", "-")
            changed = Measure.model_validate(_with(measure, change))
            measures = {**main.measures, name: changed}
            rules = tuple(rule for rule in main.rules if rule.id in reached)
            others.append(
                main.model_copy(update={"protocol": key, "measures": measures, "rules": rules})
            )
            changes.append((f"measure {name}", change, key))
            touched[key] = reached
            origin |= {(key, rule): (key, rule) for rule in reached}
    if protocol.population is not None:
        every = {rule.id for rule in main.rules}
        for number, change in enumerate(_texts(("population",), protocol.population, -1)):
            key = f"{protocol.protocol}--population-{number}"
            others.append(main.model_copy(update={"protocol": key, "population": change.now}))
            changes.append(("population", change, key))
            touched[key] = every
            origin |= {(key, rule): (key, rule) for rule in every}
    main = main.model_copy(update={"rules": tuple(extra)})
    judged = ([main] if extra else []) + others
    judgement = judge(judged, example_facts(protocol, protocol.examples))
    rows = (
        judgement.verdicts.join(judgement.subjects, on="subject_no")
        .join(judgement.rules.select("rule_no", "rule_id"), on="rule_no")
        .filter(pl.col("subject_id") == "example")
    )
    seen: dict[str, dict[tuple[int, str], str]] = {}
    for row in rows.select("protocol", "rule_id", "clinic_id", "status").iter_rows():
        key, rule_id = origin[row[0], row[1]]
        at = int(row[2].removeprefix("example ")) - 1
        seen.setdefault(key, {})[at, rule_id] = row[3]
    return Verdicts(protocol, changes, touched, seen)


def written(protocol: Protocol) -> dict[str, Any]:
    """The protocol's data as its file has it: 1.0 is no 1."""
    known = _known([], builtin=True)
    data: dict[str, Any] = whole(known[protocol.key], known).data
    return data


# --- numbers ---


def rule_changes(rule: Mapping[str, Any]) -> Iterator[Change]:
    """Every number of a rule, moved the looser way (or both, where that is not known)."""
    for name, way in _LIMITS.items():
        if name in rule:
            yield from _limit((name,), rule[name], way)
    yield from _texts(("when",), rule.get("when"), -1)
    yield from _OF_KIND[rule["kind"]](rule)


def _value(rule: Mapping[str, Any]) -> Iterator[Change]:
    is_true = rule.get("is")
    yield from _texts(("expr",), rule["expr"], {"True": 1, "False": -1}.get(str(is_true)))


def _occurrence(rule: Mapping[str, Any]) -> Iterator[Change]:
    more = 1 if rule.get("at_most") is None else -1 if rule.get("at_least") is None else None
    yield from part_changes(rule, more)


def _cadence(rule: Mapping[str, Any]) -> Iterator[Change]:
    yield from part_changes({**rule, "among": None}, -1)
    yield from _texts(("among",), rule.get("among"), 1)


def _rate(rule: Mapping[str, Any]) -> Iterator[Change]:
    yield from _limit(("within",), rule["within"], -1)


def _change(rule: Mapping[str, Any]) -> Iterator[Change]:
    yield from _texts(("expr",), rule["expr"], None)


def _response(rule: Mapping[str, Any]) -> Iterator[Change]:
    for change in part_changes(rule["trigger"], -1):
        yield Change(("trigger", *change.path), change.was, change.now, change.way, change.at)
    yield from _limit(("then", "within"), rule["then"]["within"], 1)
    yield from _texts(("then", "where"), rule["then"].get("where"), 1)


_OF_KIND: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Change]]] = {
    "value": _value, "elapsed": lambda _: iter(()), "occurrence": _occurrence,
    "cadence": _cadence, "rate": _rate, "change": _change, "response": _response,
}  # fmt: skip


def part_changes(part: Mapping[str, Any], more: int | None) -> Iterator[Change]:
    """Of a part over feed rows; `more`: whether more rows loosen (1) or tighten it (-1)."""
    for end in (0, 1):
        bound = (part.get("window") or [None, None])[end]
        found = re.fullmatch(r"\s*([\w.]+)\s*([+-])\s*(\S+)\s*", bound or "")
        if found is None:
            continue
        outward = 1 if (found[2] == "-") == (end == 0) else -1
        way = None if more is None else more * outward
        for step in [way] if way is not None else [1, -1]:
            now = f"{found[1]} {found[2]} {_longer(found[3], step)}"
            yield Change(("window", end), str(bound), now, way)
    picked = part.get("pick", "any") != "any"
    yield from _texts(("among",), part.get("among"), None if picked else more)
    yield from _texts(("where",), part.get("where"), more)
    yield from _texts(("expr",), part.get("expr"), None)


def _limit(path: Path, value: Any, way: int) -> Iterator[Change]:
    now: Any
    if isinstance(value, str):
        now = _longer(value, way)
    elif isinstance(value, float):
        now = float(_moved(repr(value), way))
    else:
        now = value + way
    if path[-1] == "at_least" and now < 0:
        return
    yield Change(path, str(value), now, way)


def _longer(length: str, way: int) -> str:
    found = _LENGTH.fullmatch(length)
    assert found is not None, length
    return f"{_moved(found[1], way)}{found[2]}"


def _moved(number: str, way: int) -> str:
    """By one of the last written decimal."""
    value = Decimal(number)
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return format(value + way * Decimal(1).scaleb(min(exponent, 0)), "f")


def _texts(path: Path, text: str | None, more: int | None) -> Iterator[Change]:
    """Every number, interval and date of an expression, moved; `more`: what its truth loosens."""
    if text is None:
        return
    for at in range(len(_numbers(_parsed(text)))):
        tree = _parsed(text)
        number = _numbers(tree)[at]
        truth = _up_makes_true(number)
        way = None if truth is None or more is None else truth * more
        was = number.name
        for step in [way] if way is not None else [1, -1]:
            moved = _parsed(text)
            _set(_numbers(moved)[at], step)
            yield Change(path, f"{was} in `{text}`", moved.sql(dialect="duckdb"), way, at)


def _parsed(text: str) -> nodes.Expr:
    found = sqlglot.parse_one(f"SELECT ({text}\n)", read="duckdb").expressions[0]
    assert isinstance(found, nodes.Paren)
    return found.copy()


def _numbers(tree: nodes.Expr) -> list[nodes.Literal]:
    """Literals that are a quantity: numbers, lengths and days; not texts, nor digits of round."""
    return [
        literal
        for literal in tree.find_all(nodes.Literal, bfs=False)
        if (not literal.is_string and not isinstance(literal.parent, nodes.Round))
        or isinstance(literal.parent, nodes.Interval | nodes.Cast)
    ]


def _set(literal: nodes.Literal, step: int) -> None:
    if not isinstance(literal.parent, nodes.Cast):
        literal.set("this", _moved(literal.name, step))
    elif literal.parent.to.this == nodes.DataType.Type.DATE:
        day = date.fromisoformat(literal.name) + timedelta(days=step)
        literal.set("this", day.isoformat())
    else:
        moment = datetime.fromisoformat(literal.name) + timedelta(minutes=step)
        literal.set("this", moment.isoformat())


def _up_makes_true(literal: nodes.Expr) -> int | None:
    """Whether a greater number makes the whole more often true (1) or less often (-1)."""
    way: int | None = None
    below: nodes.Expr = literal
    node: nodes.Expr | None = literal.parent
    while node is not None:
        if way is None:
            if isinstance(node, nodes.Paren | nodes.Interval | nodes.Cast):
                pass
            elif isinstance(node, nodes.Between):
                way = {"low": -1, "high": 1}.get(below.arg_key)
            elif isinstance(node, _UP_MEETS + _DOWN_MEETS):
                right = below.arg_key == "expression"
                way = 1 if isinstance(node, _UP_MEETS) == right else -1
            if way is None and not isinstance(node, nodes.Paren | nodes.Interval | nodes.Cast):
                return None
        elif isinstance(node, nodes.Not):
            way = -way
        elif not isinstance(node, nodes.And | nodes.Or | nodes.Paren):
            return None
        below, node = node, node.parent
    return way


def _with(part: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """A part's data with one change."""
    first, *rest = change.path
    if not rest:
        return {**part, str(first): change.now}
    inner = part[str(first)]
    if isinstance(inner, list):
        return {**part, str(first): [change.now if at == rest[0] else one
                                     for at, one in enumerate(inner)]}  # fmt: skip
    deeper = Change(tuple(rest), change.was, change.now, change.way, change.at)
    return {**part, str(first): _with(inner, deeper)}


def _reached(data: Mapping[str, Any], measure: str) -> set[str]:
    """Rules that name a measure, by themselves or through later measures."""
    names = {measure}
    for name, other in data.get("measures", {}).items():
        if any(re.search(rf"\b{one}\b", str(other)) for one in names):
            names.add(name)
    return {
        rule["id"]
        for rule in data["rules"]
        if any(re.search(rf"\b{one}\b", str({**rule, "title": ""})) for one in names)
    }


if __name__ == "__main__":
    for one in load_protocols([]):
        if not sys.argv[1:] or one.protocol in sys.argv[1:]:
            sys.stdout.write("".join(f"{one.protocol}: {line}\n" for line in unnoticed(one)))
