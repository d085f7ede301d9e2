"""Great Expectations on a feed's typed rows, pushed down into DuckDB: the only file that knows it.

One validation per feed and night. Results carry counts, never a value of a cell.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from checks.contract import Contract, Expectation
from checks.lending import lent
from checks.quarantine import ABOUT_ONE_ROW, failing, unread

if TYPE_CHECKING:
    import duckdb

_VIEW = "keel_checked"
_COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}
_FLAGGED = frozenset({"type", "unique"})


@dataclass(frozen=True)
class CheckResult:
    """One expectation's result over one night's rows: how many were seen, how many failed."""

    expectation_id: str
    kind: str
    column: str
    severity: str
    success: bool
    evaluated: int
    unexpected: int


def validate(
    connection: duckdb.DuckDBPyConnection, contract: Contract, relation: str
) -> list[CheckResult]:
    """Hold the typed rows of a relation to their contract's expectations about single rows.

    Withdrawals are left out: they need only their id. Not to be called within a transaction, which
    Great Expectations' look at the catalogue would abort. Raises RuntimeError when an expectation
    could not be evaluated, which is a fault of Keel and not of the data.
    """
    wanted = [e for e in contract.expectations if e.kind in ABOUT_ONE_ROW]
    flags = [f"{failing(e)} AS {_flag(e)}" for e in wanted if e.kind in _FLAGGED]
    flags += [f"{unread(name)} AS {_unread_flag(name)}" for name in _required(wanted)]
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {_VIEW} AS SELECT {', '.join(['*', *flags])} "
        f"FROM {relation} WHERE NOT coalesce(deleted, false)"
    )
    counted = connection.execute(f"SELECT count(*) FROM {_VIEW}").fetchone()
    assert counted is not None
    try:
        results = _run(connection, wanted)
    finally:
        connection.execute(f"DROP VIEW {_VIEW}")
    return [_result(e, results[e.id], counted[0]) for e in wanted]


def _run(connection: duckdb.DuckDBPyConnection, wanted: list[Expectation]) -> dict[str, Any]:
    """Results by expectation: whether it holds, and of one that does not how often.

    Rows that break one are counted in a second look at only those expectations: counting all of
    them takes twice the queries, one each of which reads cells.
    """
    with _quiet(), _configured_once(), lent(connection) as arguments:
        import great_expectations as gx

        # This module of it sets a level of its own when it is imported.
        logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        source = context.data_sources.add_sql(
            "warehouse", connection_string="duckdb:///:memory:", kwargs=arguments
        )
        asset = source.add_table_asset(_VIEW, table_name=_VIEW)
        batch = asset.add_batch_definition_whole_table("night").get_batch()
        results = _asked(gx, batch, wanted, "BOOLEAN_ONLY")
        failed = [e for e in wanted if e.share or not results[e.id].success]
        if failed:
            results |= _asked(gx, batch, failed, _COUNTS_ONLY)
    return results


def _asked(
    gx: ModuleType, batch: Any, wanted: list[Expectation], result_format: Any
) -> dict[str, Any]:
    suite = gx.ExpectationSuite(name="contract", expectations=[_expect(e) for e in wanted])
    outcome = batch.validate(suite, result_format=result_format)
    by_id = {result.expectation_config.meta["keel"]: result for result in outcome.results}
    for name, result in by_id.items():
        if result.exception_info.get("raised_exception", True) is not False:
            raise RuntimeError(f"the expectation {name} could not be evaluated")
    return by_id


def _expect(expectation: Expectation) -> Any:
    import great_expectations.expectations as gxe
    from great_expectations.expectations.row_conditions import Column

    meta = {"keel": expectation.id}
    mostly = 1.0 - expectation.share
    column = expectation.columns[0]
    values = dict(expectation.parameters)
    match expectation.kind:
        case "type" | "unique":
            return gxe.ExpectColumnValuesToBeInSet(
                column=_flag(expectation), value_set=[False], mostly=mostly, meta=meta
            )
        case "required":
            return gxe.ExpectColumnValuesToNotBeNull(
                column=column,
                row_condition=Column(_unread_flag(column)) == False,  # noqa: E712
                mostly=mostly,
                meta=meta,
            )
        case "closed_set" | "suggested_set":
            allowed = list(values["value_set"])
            return gxe.ExpectColumnValuesToBeInSet(
                column=column, value_set=allowed, mostly=mostly, meta=meta
            )
        case "range":
            return gxe.ExpectColumnValuesToBeBetween(
                column=column, mostly=mostly, meta=meta, **values
            )
        case "order":
            return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A=values["column_A"],
                column_B=values["column_B"],
                or_equal=values.get("or_equal", False),
                ignore_row_if="either_value_is_missing",
                mostly=mostly,
                meta=meta,
            )
    raise ValueError(expectation.kind)


def _result(expectation: Expectation, result: Any, rows: int) -> CheckResult:
    found: Mapping[str, Any] = result.result
    unexpected = int(found.get("unexpected_count") or 0)
    return CheckResult(
        expectation_id=expectation.id,
        kind=expectation.kind,
        column=", ".join(expectation.columns),
        severity=expectation.severity,
        success=bool(result.success),
        evaluated=rows,
        unexpected=unexpected,
    )


def _flag(expectation: Expectation) -> str:
    return f"{expectation.columns[0]}__{expectation.kind}_failed"


def _required(wanted: list[Expectation]) -> list[str]:
    return [e.columns[0] for e in wanted if e.kind == "required"]


def _unread_flag(column: str) -> str:
    return f"{column}__unread"


@contextmanager
def _quiet() -> Iterator[None]:
    """No telemetry, no progress bars, no words of its own on the terminal."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("TQDM_DISABLE", "1")
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _configured_once() -> Iterator[None]:
    """An expectation's configuration is made once: it is asked for about forty times, and made anew
    each time, which was a quarter of a validation's time.
    """
    from great_expectations.expectations.expectation import Expectation

    original = Expectation.configuration
    made: dict[int, tuple[Any, Any]] = {}

    def configuration(self: Any) -> Any:
        if id(self) not in made:
            made[id(self)] = (self, original.fget(self))
        return made[id(self)][1]

    Expectation.configuration = property(configuration)
    try:
        yield
    finally:
        Expectation.configuration = original
