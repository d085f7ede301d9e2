"""Which rows are not fit to be judged: one SQL predicate for each expectation of a contract.

A predicate is over the typed relation of `checks.typing_sql` and true for a row that fails. The
quarantine, the counts of `ops.check_results` and Great Expectations all rest on the same words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checks.contract import Column, Contract, Expectation

WORDS: Mapping[str, str] = {
    "unreadable": "cannot be read as {type}",
    "missing": "is empty, and a row without it means nothing",
    "not_in_list": "is not one of {closed}",
    "out_of_bounds": "is outside what is possible ({bounds})",
    "missing_local_time": "is a local time that the clocks skipped that day",
    "ambiguous_local_time": "is a local time that came twice that day; send it with its offset",
    "no_time_zone": "is a local time, and the clinic's time zone is not known; send the offset",
    "unknown_zone": "is no IANA time zone, such as America/New_York",
    "not_this_clinic": "names another clinic than the folder the file lies in",
    "unknown_clinic": "names a clinic that no clinics file has",
    "key_twice": "stands twice in this file, with different contents",
    "not_selected": "is used by no SELECT of its source and skipped by no named predicate",
}
TYPE_WORDS = {
    "int": "a whole number", "number": "a number", "decimal": "a number", "bool": "true or false",
    "date": "a date (YYYY-MM-DD)", "time": "a time of day (HH:MM)", "text": "text",
    "timestamp": "a time from 1900 to 2199 (YYYY-MM-DDTHH:MM, with or without offset)",
}  # fmt: skip


_UNREAD = ("unreadable", "missing_local_time", "ambiguous_local_time", "no_time_zone")


def problem_terms(contract: Contract) -> list[tuple[str, str]]:
    """(code, predicate) for everything that quarantines a row, over `resolved` of the typing."""
    alive = "NOT coalesce(deleted, false)"
    terms = [
        (
            "clinic_id: not_this_clinic",
            "_stated_clinic IS NOT NULL AND _stated_clinic <> _clinic_id",
        )
    ]
    if not contract.network_wide and "clinic_id" not in contract.names:
        terms.append(("clinic_id: missing", "_clinic_id IS NULL"))
    if contract.feed == "clinics":
        zones = "SELECT zone FROM keel_zones"
        terms.append(("time_zone: unknown_zone", f"{alive} AND time_zone NOT IN ({zones})"))
    else:
        terms.append(("clinic_id: unknown_clinic", "_clinic_id IS NOT NULL AND _zone IS NULL"))
    for column in contract.columns:
        needed = "true" if column.name in (contract.id_column, "deleted", "extracted_at") else alive
        terms += [
            (f"{column.name}: {code}", f"{needed} AND {test}")
            for code, test in _own(contract, column)
        ]
    return terms


def _own(contract: Contract, column: Column) -> list[tuple[str, str]]:
    name = f'"{column.name}"'
    found: list[tuple[str, str]] = []
    readable = "true"
    if column.type == "timestamp":
        note = f'"{column.name} problem"'
        found += [(code, f"{note} = '{code}'") for code in _UNREAD]
        readable = f"{note} IS NULL"
    elif column.type != "text":
        note = f'"{column.name} unreadable"'
        found.append(("unreadable", note))
        readable = f"NOT {note}"
    for expectation in contract.expectations:
        if expectation.columns != (column.name,) or expectation.severity != "quarantine":
            continue
        code = {"required": "missing", "closed_set": "not_in_list", "range": "out_of_bounds"}.get(
            expectation.kind
        )
        if code is not None:
            fails = f"{name} IS NULL" if code == "missing" else failing(expectation)
            found.append((code, f"{readable} AND {fails}"))
    if contract.id_column == column.name and not column.required:
        found.append(("missing", f"{name} IS NULL"))
    return found


def failing(expectation: Expectation) -> str:
    """True for a row that fails, never null; over the typed relation. For kinds about one row.

    type, unique: by the row's `_problems`, which is where the text and the whole file were seen.
    required: what could not be read is null there, but was not empty.
    """
    name = f'"{expectation.columns[0]}"' if expectation.columns else ""
    values = expectation.parameters
    if expectation.kind == "type":
        return unread(expectation.columns[0])
    if expectation.kind == "unique":
        return f"list_contains(_problems, '{expectation.columns[0]}: key_twice')"
    if expectation.kind == "required":
        return f"({name} IS NULL AND NOT {unread(expectation.columns[0])})"
    if expectation.kind in ("closed_set", "suggested_set"):
        listed = ", ".join(_literal(value) for value in values["value_set"])
        return f"({name} IS NOT NULL AND {name} NOT IN ({listed}))"
    if expectation.kind == "range":
        tests = [f"{name} < {_literal(values['min_value'])}"] if "min_value" in values else []
        tests += [f"{name} > {_literal(values['max_value'])}"] if "max_value" in values else []
        return f"({name} IS NOT NULL AND ({' OR '.join(tests)}))"
    if expectation.kind == "order":
        later, earlier = (f'"{column}"' for column in expectation.columns)
        sign = "<" if values.get("or_equal") else "<="
        return f"coalesce({later}::TIMESTAMPTZ {sign} {earlier}::TIMESTAMPTZ, false)"
    raise ValueError(f"{expectation.kind} is not about one row")


def unread(column: str) -> str:
    """True for a typed row whose text in that column could not be read."""
    listed = ", ".join(f"'{column}: {code}'" for code in _UNREAD)
    return f"list_has_any(_problems, [{listed}])"


ABOUT_ONE_ROW = frozenset(
    {"type", "unique", "required", "closed_set", "suggested_set", "range", "order"}
)


def reason_words(code: str, contract: Contract) -> str:
    """A row's problem ("column: code") in plain words, without the value."""
    name, _, what = code.partition(": ")
    if name == "clinic_id" and name not in contract.names:
        return f"{name} {WORDS[what]}"
    column = contract.column(name)
    words = WORDS[what].format(
        type=TYPE_WORDS[column.type],
        closed=", ".join(column.closed or ()),
        bounds=_possible(contract, column),
    )
    return f"{name} {words}"


def warning_words(expectation: Expectation, contract: Contract) -> str:
    """What a row that fails an expectation about it, or a reference, shows: without the value."""
    values, name = expectation.parameters, expectation.columns[0]
    if expectation.kind == "order":
        then = "before" if values.get("or_equal") else "not after"
        return f"{name} is {then} {expectation.columns[1]}"
    if expectation.kind == "reference":
        return f"{name} is in no row of {values['feed']}"
    if expectation.kind == "range":
        bounds = bounds_words(values, contract.column(name).unit)
        return f"{name} is outside what is usual ({bounds})"
    if expectation.kind in ("suggested_set", "closed_set"):
        return f"{name} is none of the usual values ({', '.join(values['value_set'])})"
    if expectation.kind == "required":
        return f"{name} is empty"
    raise ValueError(f"{expectation.kind} does not warn of a row")


def bounds_words(bounds: Mapping[str, Any], unit: str | None) -> str:
    """A range's parameters in plain words: "20 to 100 %", "at least 0"."""
    low, high = bounds.get("min_value"), bounds.get("max_value")
    if low is None or high is None:
        words = f"at most {high}" if low is None else f"at least {low}"
    else:
        words = f"{low} to {high}"
    return f"{words} {unit}" if unit else words


def _possible(contract: Contract, column: Column) -> str:
    return " and ".join(
        bounds_words(expectation.parameters, column.unit)
        for expectation in contract.expectations
        if expectation.columns == (column.name,)
        and expectation.kind == "range"
        and expectation.severity == "quarantine"
    )


def _literal(value: object) -> str:
    if isinstance(value, int | float):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"
