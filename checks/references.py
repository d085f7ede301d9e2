"""Rows that name something no other feed has, such as a dose whose session is unknown.

They may be the very sign that is sought: they warn and are counted, and never quarantine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.contract import Contract, Expectation
from checks.gx import CheckResult

if TYPE_CHECKING:
    import duckdb


def unknown_references(
    connection: duckdb.DuckDBPyConnection, contract: Contract, relation: str, schema: str
) -> list[CheckResult]:
    """One result a reference of the contract, over the typed rows of a relation.

    `schema` holds one table a feed, with `clinic_id`: rows in force. A row refers within its own
    clinic. Withdrawals are left out.
    """
    wanted = [e for e in contract.expectations if e.kind == "reference"]
    counts = ", ".join(["count(*)", *(f"count(*) FILTER ({_unknown(e, schema)})" for e in wanted)])
    found = connection.execute(
        f"SELECT {counts} FROM {relation} r WHERE NOT coalesce(deleted, false)"
    ).fetchone()
    assert found is not None
    rows, *unknown = found
    return [
        CheckResult(
            expectation_id=expectation.id,
            kind=expectation.kind,
            column=expectation.columns[0],
            severity=expectation.severity,
            success=count <= expectation.share * rows,
            evaluated=rows,
            unexpected=count,
        )
        for expectation, count in zip(wanted, unknown, strict=True)
    ]


def _unknown(expectation: Expectation, schema: str) -> str:
    target = expectation.parameters
    name = f'r."{expectation.columns[0]}"'
    return (
        f"{name} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {schema}.{target['feed']} k "
        f'WHERE k.clinic_id = r.clinic_id AND k."{target["column"]}" = {name})'
    )
