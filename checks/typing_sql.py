"""From text to types, in SQL that derives from a contract.

The raw relation holds, as text, every column of the contract, and `_clinic_id` (whose the row is;
NULL = every clinic), `_stated_clinic` (a clinic that the row itself names, else NULL), `_zone`
(the clinic's IANA zone), `_batch` and `_row`. An empty field is null. Numbers may carry blanks
around them; everything else is taken as it is.
"""

from __future__ import annotations

from checks.contract import Column, Contract
from checks.local_time import FIRST_YEAR, LAST_YEAR, join_local_times, prepare_zones
from checks.quarantine import problem_terms

__all__ = ["prepare_zones", "row_sha256", "typed_select"]

_CENTURIES = "|".join(str(year // 100) for year in range(FIRST_YEAR, LAST_YEAR + 1, 100))
_TIME = r"([01]\d|2[0-3]):[0-5]\d"
_STAMP = rf"({_CENTURIES})\d{{2}}-\d{{2}}-\d{{2}}[T ]{_TIME}(:[0-5]\d(\.\d{{1,6}})?)?"
_OFFSET = r"(Z|[+-](0\d|1[0-5]):[0-5]\d)"
_DAY = r"\d{4}-\d{2}-\d{2}"


def typed_select(contract: Contract, raw_relation: str) -> str:
    """A SELECT that types a raw relation's rows and says what is wrong with each.

    Gives `clinic_id`, the contract's columns typed, `_batch`, `_row`, `_content` (a hash of all
    values but `extracted_at`: is the row what it was?) and `_problems`, a list of "column: code"
    (see `checks.quarantine.WORDS`); a row with deleted = true needs only its id.
    """
    stamps = [column for column in contract.columns if column.type == "timestamp"]
    raw = ", ".join(f"nullif({_q(name)}, '') AS {_q(name)}" for name in contract.names)
    parsed = ", ".join(_parsed(column) for column in contract.columns)
    stamped = ", ".join(
        f"{_instant(column)} AS {_q(column.name)}, {_local_problem(column)} AS {_note(column)}"
        for column in stamps
    )
    joins = " ".join(
        join_local_times(_days(column), "p._zone", f"p.{_wall(column)}") for column in stamps
    )
    kept = ", ".join(
        f"p.{_q(column.name)}" for column in contract.columns if column.type != "timestamp"
    )
    untimed = ("text", "timestamp")
    unreadable = ", ".join(
        f"p.{_unread(column)}" for column in contract.columns if column.type not in untimed
    )
    values = ", ".join(_q(c.name) for c in contract.columns if c.name != "clinic_id")
    terms = problem_terms(contract)
    listed = ", ".join(f"CASE WHEN {test} THEN '{code}' END" for code, test in terms)
    anything = " OR ".join(f"({test})" for _, test in terms)
    return f"""
WITH raw AS (
    SELECT _clinic_id, _stated_clinic, _zone, _batch, _row, {raw} FROM {raw_relation}
), parsed AS (
    SELECT _clinic_id, _stated_clinic, _zone, _batch, _row,
        {_content(contract)} AS _content, {parsed}
    FROM raw
), resolved AS (
    SELECT p._clinic_id, p._stated_clinic, p._zone, p._batch, p._row, p._content,
        {", ".join(part for part in (kept, unreadable, stamped) if part)}
    FROM parsed p {joins}
)
SELECT _clinic_id AS clinic_id, {values}, _batch, _row, _content,
    CASE WHEN {anything}
        THEN list_filter([{listed}], lambda code: code IS NOT NULL)
        ELSE []::VARCHAR[] END AS _problems
FROM resolved"""


def row_sha256(contract: Contract) -> str:
    """SHA-256 (hex) of a raw row's values in contract order, joined by U+001F: it decides ties."""
    return f"sha256({_joined(contract.names)})"


def _parsed(column: Column) -> str:
    """Typed value of a column, and whether there was text that could not be read."""
    name, unread = _q(column.name), _unread(column)
    if column.type == "text":
        return name
    if column.type == "timestamp":
        offset = f"(right({name}, 1) = 'Z' OR substr({name}, -6, 1) IN ('+', '-'))"
        whole = f"regexp_full_match({name}, '{_STAMP}{_OFFSET}?')"
        return (
            f"{name} IS NOT NULL AS {unread}, CASE WHEN {offset} AND {whole} "
            f"THEN TRY_CAST({name} AS TIMESTAMPTZ) END AS {_at(column)}, "
            f"CASE WHEN NOT {offset} AND {whole} "
            f"THEN TRY_CAST({name} AS TIMESTAMP) END AS {_wall(column)}"
        )
    plain = f"NOT contains({name}, '_')"
    test, value = {
        "int": (
            f"regexp_full_match({name}, '\\s*[+-]?\\d+(\\.0+)?\\s*')",
            f"TRY_CAST({name} AS BIGINT)",
        ),
        "number": (f"{plain} AND isfinite(TRY_CAST({name} AS DOUBLE))", f"{name}::DOUBLE"),
        "decimal": (plain, f"TRY_CAST({name} AS DECIMAL(18,6))"),
        "bool": (f"lower({name}) IN ('true', 'false')", f"lower({name}) = 'true'"),
        "date": (
            f"regexp_full_match({name}, '{_DAY}') AND NOT starts_with({name}, '0000')",
            f"TRY_CAST({name} AS DATE)",
        ),
        "time": (f"regexp_full_match({name}, '{_TIME}')", name),
    }[column.type]
    typed = f"CASE WHEN {test} THEN {value} END"
    return f"{typed} AS {name}, {name} IS NOT NULL AND ({typed}) IS NULL AS {unread}"


def _instant(column: Column) -> str:
    shift = f"(p.{_wall(column)} - to_seconds({_days(column)}.offset_seconds))"
    return f"coalesce(p.{_at(column)}, timezone('UTC', {shift}))"


def _local_problem(column: Column) -> str:
    return (
        f"CASE WHEN NOT p.{_unread(column)} OR p.{_at(column)} IS NOT NULL "
        f"OR {_days(column)}.offset_seconds IS NOT NULL THEN NULL "
        f"WHEN p.{_wall(column)} IS NULL THEN 'unreadable' "
        f"ELSE coalesce({_days(column)}.problem, 'no_time_zone') END"
    )


def _content(contract: Contract) -> str:
    """Kept only inside one warehouse and never compared with another's: DuckDB's own hash."""
    return f"hash({_joined(tuple(name for name in contract.names if name != 'extracted_at'))})"


def _joined(names: tuple[str, ...]) -> str:
    values = ", ".join(f"coalesce({_q(name)}, '')" for name in names)
    return f"concat_ws(chr(31), {values})"


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _unread(column: Column) -> str:
    return _q(f"{column.name} unreadable")


def _note(column: Column) -> str:
    return _q(f"{column.name} problem")


def _at(column: Column) -> str:
    return _q(f"{column.name} instant")


def _wall(column: Column) -> str:
    return _q(f"{column.name} wall")


def _days(column: Column) -> str:
    return _q(f"days {column.name}")
