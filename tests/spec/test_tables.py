"""The tables of this folder hold, of the engine and of the oracle alike."""

from __future__ import annotations

import pytest

from protocols.evaluate import judge
from protocols.kinds import kinds
from protocols.model import Protocol
from tests import oracle
from tests.spec.tables import HERE, Table, tables
from tests.worlds import apart, as_facts

Found = dict[str, tuple[str, float | None]]
TABLES = [(path.stem, table) for path in sorted(HERE.glob("*.md")) for table in tables(path)]
each_table = pytest.mark.parametrize(
    "table", [pytest.param(table, id=f"{kind}: {table.name}") for kind, table in TABLES]
)


def test_every_kind_has_its_tables() -> None:
    assert {kind for kind, _ in TABLES} == set(kinds())


@each_table
def test_the_engine_says_what_the_table_says(table: Table) -> None:
    found = judge([Protocol.model_validate(table.protocol)], as_facts(table.world))
    rows = found.verdicts.join(found.subjects, on="subject_no")
    verdicts = {
        row["clinic_id"]: (row["status"], row["observed"])
        for row in rows.iter_rows(named=True)
        if row["subject_id"] == "subject"
    }
    assert said(verdicts, table) == table.expected


@each_table
def test_the_oracle_says_what_the_table_says(table: Table) -> None:
    verdicts: Found = {}
    for world in apart(table.world).values():
        found = oracle.judge([table.protocol], world).verdicts
        verdicts.update({key[0]: held for key, held in found.items() if key[1] == "subject"})
    assert said(verdicts, table) == table.expected


def said(verdicts: Found, table: Table) -> dict[str, tuple[str, str]]:
    """Verdicts by line, as the table writes them; observed only where it has that column."""
    return {
        line: (status, table.expected[line][1] and ("-" if seen is None else f"{seen:.6g}"))
        for line, (status, seen) in verdicts.items()
    }
