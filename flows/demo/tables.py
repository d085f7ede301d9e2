"""Columns of the sample as numpy arrays: ids stay numbers and instants UTC until they are written.

In a table every value is an array over its rows, or one text or number that stands for all of
them. An id or a member of staff is a number from 1; 0 is none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from checks.contract import contract
from flows.demo.calendar import Clinic

Column = NDArray[Any]
Table = dict[str, Any]

# The letter before the number of each kind of id.
_LETTERS = {
    "patient_id": "p", "session_id": "s", "dose_id": "d", "vital_id": "v", "outcome_id": "o",
    "screening_id": "c", "medication_id": "m", "dispense_id": "x", "entry_id": "i",
    "charge_id": "b", "event_id": "e", "contact_id": "t", "shift_id": "h", "staff_id": "u",
    "prescriber_id": "u", "monitor_id": "u", "administered_by": "u", "waste_witness_id": "u",
    "actor_id": "u", "witness_id": "u", "rx_id": "r", "waiver_id": "w", "subject_id": "s",
}  # fmt: skip
NEVER = np.datetime64("NaT")
NOBODY = 0


def size(table: Table) -> int:
    """Rows of a table."""
    return next(len(values) for values in table.values() if isinstance(values, np.ndarray))


def numbers(count: int) -> Column:
    """Ids from 1."""
    return np.arange(1, count + 1)


def shown_id(clinic: Clinic, column: str, number: int) -> str:
    """An id as the clinic's system writes it."""
    return f"{clinic.clinic_id}-{_LETTERS[column]}{number:06d}"


def stacked(*tables: Table) -> Table:
    """Tables below one another; a column that one of them lacks is empty there."""
    names = list(dict.fromkeys(name for table in tables for name in table))
    lengths = [size(table) for table in tables]
    return {name: _joined([table.get(name) for table in tables], lengths, name) for name in names}


def _joined(parts: list[Any], lengths: list[int], name: str) -> Column:
    known = [np.asarray(part) for part in parts if part is not None]
    kind = known[0].dtype.kind
    if len(known) == len(parts):
        empty: Any = None
    elif kind == "M":
        empty = NEVER
    elif name in _LETTERS:
        empty = NOBODY
    elif kind in "if":
        empty = np.nan
    else:
        empty = ""
    filled = [np.asarray(empty if part is None else part) for part in parts]
    if empty == "" and kind == "b":
        filled = [np.where(each, "true", "false") if each.dtype.kind == "b" else each
                  for each in filled]  # fmt: skip
    return np.concatenate(
        [np.broadcast_to(each, length) for each, length in zip(filled, lengths, strict=True)]
    )


def rows_of(table: Table, chosen: Column) -> Table:
    """Some rows of a table, by position or mask."""
    return {
        name: values[chosen] if isinstance(values, np.ndarray) else values
        for name, values in table.items()
    }


def written(feed: str, table: Table, clinic: Clinic) -> pl.DataFrame:
    """A table's columns as the clinic writes them, in contract order; empty is null."""
    rows = size(table)
    columns: list[pl.Series] = []
    for column in contract(feed).columns:
        name = column.name
        values = table.get(name)
        if values is None:
            continue
        if not isinstance(values, np.ndarray):
            series = pl.repeat(values, rows, eager=True)
        elif name in _LETTERS:
            series = _ids(clinic, name, values)
        elif column.type == "timestamp":
            series = clinic.written(values)
        elif values.dtype.kind == "f":
            series = pl.Series(values, nan_to_null=True)
            series = series.cast(pl.Int64) if column.type == "int" else series
        elif values.dtype.kind == "U":
            series = pl.Series(values)
            series = series.set(series == "", None)
        else:
            series = pl.Series(values)
        columns.append(series.alias(name))
    return pl.DataFrame(columns)


def _ids(clinic: Clinic, name: str, values: Column) -> pl.Series:
    text = pl.Series(values).cast(pl.String).str.zfill(6)
    return pl.select(
        pl.when(pl.Series(values) > 0).then(f"{clinic.clinic_id}-{_LETTERS[name]}" + text)
    ).to_series()
