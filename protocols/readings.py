"""Cells of worked examples: text or plain YAML values, read as the feed's contract types them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, NoReturn

from checks.contract import Column, contract, contracts
from protocols.model import Protocol

Fail = Callable[[tuple[str | int, ...], str], NoReturn]


def check_examples(protocol: Protocol, fail: Fail) -> None:
    """Every name and value of the worked examples; `fail` is told where and what is wrong."""
    rules = [rule.id for rule in protocol.rules]
    for at, example in enumerate(protocol.examples):
        path = ("examples", at)
        for rule_id in example.expect:
            if rule_id not in rules:
                said = f"an example expects {rule_id}, which is no rule here"
                fail((*path, "expect", rule_id), said + _near(rule_id, rules))
        _check_row(protocol.judges, example.row, (*path, "row"), fail)
        _check_row("patients", example.patient, (*path, "patient"), fail)
        for feed, rows in example.feeds.items():
            if feed not in contracts():
                said = f"an example has rows of {feed}, which is no feed"
                fail((*path, "feeds", feed), said + _near(feed, list(contracts())))
            for number, row in enumerate(rows):
                _check_row(feed, row, (*path, "feeds", feed, number), fail)


def typed(feed: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's cells by name; ValueError for one that cannot be read."""
    held = contract(feed)
    return {name: read(held.column(name), value) for name, value in row.items()}


def read(column: Column, value: Any) -> Any:
    """One cell; a time without an offset is UTC, where the example's clinic lies."""
    if value is None or value == "":
        return None
    words = _TYPES.get(column.type, "text")
    try:
        match column.type:
            case "bool":
                found: Any = {"true": True, "false": False}[str(value).lower()]
            case "int":
                found = int(str(value))
            case "number" | "decimal":
                found = float(str(value))
            case "date":
                found = date.fromisoformat(str(value))
            case "timestamp":
                moment = value if isinstance(value, datetime) else _moment(str(value))
                found = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
            case _:
                found = str(value).lower() if isinstance(value, bool) else str(value)
    except (KeyError, ValueError, OverflowError):
        raise ValueError(f"{column.name} is not {words}") from None
    if column.closed is not None and found not in column.closed:
        raise ValueError(f"{column.name} is none of {', '.join(column.closed)}")
    return found


def _moment(text: str) -> datetime:
    if len(text) < len("2025-01-31T08:00"):
        raise ValueError("a bare date is no instant")
    return datetime.fromisoformat(text)


def _check_row(feed: str, row: Mapping[str, Any], path: tuple[str | int, ...], fail: Fail) -> None:
    names = contract(feed).names
    for name, value in row.items():
        if name not in names:
            fail((*path, name), f"{feed} has no column {name}{_near(name, list(names))}")
        try:
            read(contract(feed).column(name), value)
        except ValueError as error:
            fail((*path, name), f"{error}; write it as an export would")


def _near(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


_TYPES: Mapping[str, str] = {
    "bool": "true or false", "int": "a whole number", "number": "a number",
    "decimal": "a number", "date": "a date such as 2025-01-31",
    "timestamp": "an instant such as 2025-01-31T08:00:00Z",
}  # fmt: skip
