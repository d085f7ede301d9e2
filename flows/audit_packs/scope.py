"""The clinic and period that an audit looks at, and how its tables are read from the warehouse."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flows.errors import UsageError
from flows.pseudonyms import ensure_pseudonyms
from flows.warehouse import Warehouse
from protocols.extending import nearest

PSEUDONYM = "LEFT JOIN ops.pseudonyms n USING (clinic_id, patient_id)"


@dataclass(frozen=True)
class Table:
    """One list of a bundle: `name` is its file's, `says` what a row is; `shown` tells whether the
    bundle's page has its rows too.
    """

    name: str
    title: str
    says: str
    header: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    shown: bool = True


@dataclass(frozen=True)
class Scope:
    """One clinic from one local day to another, both included, as the latest run judged it."""

    clinic_id: str
    clinic_name: str
    zone: str
    first: date
    last: date
    run_id: str
    as_of: datetime

    @property
    def words(self) -> str:
        """As the audit log names it."""
        return f"{self.clinic_id} {self.first} to {self.last}"


def find_scope(warehouse: Warehouse, clinic: str, first: date, last: date) -> Scope:
    """The scope of an audit. Raises UsageError where there is no such clinic, no day in the period,
    or nothing was judged yet.
    """
    if last < first:
        raise UsageError(f"--to: {last} is before --from {first}; give the earlier day first.")
    clinics = "SELECT clinic_id, name, time_zone FROM facts.clinics ORDER BY 1"
    known = {row[0]: row for row in warehouse.db.execute(clinics).fetchall()}
    if clinic not in known:
        raise UsageError(f"--clinic: {clinic} is no clinic here{nearest(clinic, list(known))}")
    judged = warehouse.db.execute("SELECT run_id, as_of FROM ops.judged").fetchone()
    if judged is None:
        raise UsageError(f"{warehouse.folder}: nothing was judged yet; run `keel nightly` first.")
    ensure_pseudonyms(warehouse)
    _, name, zone = known[clinic]
    run_id, as_of = judged
    return Scope(clinic, name, zone, first, last, run_id, as_of)


def read(
    warehouse: Warehouse,
    scope: Scope,
    name: str,
    title: str,
    says: str,
    select: str,
    **more: object,
) -> Table:
    """A table of what a SELECT gives. It may name $clinic, $zone, $first, $last (local days),
    $as_of, and what `more` holds.
    """
    known = {
        "clinic": scope.clinic_id, "zone": scope.zone, "first": scope.first, "last": scope.last,
        "as_of": scope.as_of, **more,
    }  # fmt: skip
    named = {word: known[word] for word in re.findall(r"\$(\w+)", select)}
    cursor = warehouse.db.execute(select, named)
    header = tuple(column[0] for column in cursor.description or ())
    return Table(name, title, says, header, cursor.fetchall())


def local(instant: str, name: str) -> str:
    """A column of an instant as the clinic's local time, to the second."""
    return f"strftime(timezone($zone, {instant}), '%Y-%m-%d %H:%M:%S') AS {name}"


def day(instant: str) -> str:
    """The clinic's local day of an instant."""
    return f"timezone($zone, {instant})::DATE"


def within(instant: str) -> str:
    """Whether an instant lies in the period, and before the run's."""
    return f"({day(instant)} BETWEEN $first AND $last AND {instant} <= $as_of)"
