"""What only shows against other rows, earlier deliveries or the scales: references, volume,
freshness, missingness, totals. All of it warns and is counted; none of it keeps a row out.

`evaluated` counts rows for references, missingness and totals, deliveries for volume, clinics for
freshness.
"""

from __future__ import annotations

from collections.abc import Iterator

from checks.contract import Contract, Expectation
from checks.gx import CheckResult
from flows.raw import NETWORK
from flows.runs import Run
from flows.sources import identifier
from flows.warehouse import Warehouse

ALIVE = "NOT coalesce(deleted, false)"


def drift(warehouse: Warehouse, held: Contract, run: Run) -> Iterator[CheckResult]:
    """Results over the good rows of `staged`, once they are merged."""
    _count_columns(warehouse, held)
    for expectation in held.expectations:
        if expectation.kind == "reference":
            yield _reference(warehouse, expectation)
        elif expectation.kind == "volume":
            yield _volume(warehouse, held, expectation)
        elif expectation.kind == "freshness":
            yield _freshness(warehouse, held, expectation, run)
        elif expectation.kind == "missingness":
            yield from _missingness(warehouse, held, expectation)
        elif expectation.kind == "total":
            yield _total(warehouse, expectation)


def _reference(warehouse: Warehouse, expectation: Expectation) -> CheckResult:
    """Rows whose session, patient, ... no loaded row of the other feed has."""
    (column,) = expectation.columns
    return _result(
        warehouse,
        expectation,
        column,
        f"SELECT count(*), count(*) FILTER ({unknown(expectation)}) "
        f"FROM staged WHERE {identifier(column)} IS NOT NULL AND {ALIVE}",
    )


def unknown(expectation: Expectation) -> str:
    """True for a staged row that refers to what no loaded row of the other feed has."""
    column = identifier(expectation.columns[0])
    feed, key = expectation.parameters["feed"], identifier(expectation.parameters["column"])
    known = f"SELECT hash(clinic_id, {key}) FROM facts.{feed}"
    return f"({column} IS NOT NULL AND hash(clinic_id, {column}) NOT IN ({known}))"


def _volume(warehouse: Warehouse, held: Contract, expectation: Expectation) -> CheckResult:
    """Deliveries with less than a share of the rows that their folder's usual one has."""
    return _result(
        warehouse,
        expectation,
        "",
        "SELECT count(*), count(*) FILTER (b.rows < $least * e.usual) FROM ops.batches b "
        "JOIN pending USING (batch_no) LEFT JOIN (SELECT clinic_id, median(rows) AS usual "
        "FROM ops.batches WHERE feed = $feed AND state IN ('accepted', 'partial') "
        "AND batch_no NOT IN (SELECT batch_no FROM pending) GROUP BY ALL) e "
        "ON e.clinic_id = b.clinic_id",
        least=expectation.parameters["least_share"],
        feed=held.feed,
    )


def _freshness(
    warehouse: Warehouse, held: Contract, expectation: Expectation, run: Run
) -> CheckResult:
    """Clinics whose latest delivery of the feed is older than so many days."""
    return _result(
        warehouse,
        expectation,
        "",
        "SELECT count(*), count(*) FILTER (latest < $as_of::TIMESTAMPTZ - to_days($days)) FROM ("
        "SELECT c.clinic_id, max(b.delivered_at) AS latest FROM ops.batches b JOIN facts.clinics c "
        f"ON b.clinic_id IN (c.clinic_id, '{NETWORK}') WHERE b.feed = $feed "
        "AND (b.state IN ('accepted', 'partial') OR b.batch_no IN (SELECT batch_no FROM pending)) "
        "GROUP BY ALL)",
        as_of=run.as_of,
        days=expectation.parameters["most_days"],
        feed=held.feed,
    )


def _missingness(
    warehouse: Warehouse, held: Contract, expectation: Expectation
) -> Iterator[CheckResult]:
    """Columns whose share of empty values rose against all earlier deliveries."""
    rows = warehouse.db.execute(
        "SELECT n.column_name, n.rows, n.rows - n.filled, "
        "1 - n.filled / n.rows - (1 - o.filled / o.rows) > $rise FROM "
        "(SELECT column_name, sum(rows)::BIGINT AS rows, sum(filled)::BIGINT AS filled "
        "FROM ops.column_counts JOIN pending USING (batch_no) GROUP BY ALL) n JOIN "
        "(SELECT column_name, sum(c.rows)::BIGINT AS rows, sum(filled)::BIGINT AS filled "
        "FROM ops.column_counts c JOIN ops.batches b USING (batch_no) WHERE b.feed = $feed "
        "AND batch_no NOT IN (SELECT batch_no FROM pending) GROUP BY ALL) o USING (column_name) "
        "WHERE n.rows > 0 AND o.rows > 0 ORDER BY column_name",
        {"rise": expectation.parameters["most_rise"], "feed": held.feed},
    ).fetchall()
    for column, evaluated, missing, rose in rows:
        yield CheckResult(
            expectation.id, expectation.kind, column, expectation.severity, not rose, evaluated,
            missing if rose else 0,
        )  # fmt: skip


def _total(warehouse: Warehouse, expectation: Expectation) -> CheckResult:
    """Outcomes whose charted total is not that of their items, among those that have both."""
    import polars as pl

    from flows.frames import fetched
    from protocols.instruments import instruments
    from protocols.scoring import scored

    rows = fetched(
        warehouse,
        "SELECT instrument, instrument_version, total, items FROM staged "
        f"WHERE total IS NOT NULL AND trim(items) <> '' AND {ALIVE}",
    )
    evaluated = wrong = 0
    if not rows.is_empty():  # the plan of all instruments takes longer than a small feed
        told = scored(rows.lazy(), instruments().instruments).select(
            evaluated=pl.col("score").count(), wrong=(pl.col("warning") == "total_disagrees").sum()
        )
        ((evaluated, wrong),) = told.collect().rows()
    return CheckResult(
        expectation.id, expectation.kind, "total", expectation.severity, wrong == 0, evaluated,
        wrong,
    )  # fmt: skip


def _count_columns(warehouse: Warehouse, held: Contract) -> None:
    db = warehouse.db
    names = [name for name in held.names if name not in ("clinic_id", "deleted")]
    counts = ", ".join(f"count({identifier(name)}) AS {identifier(name)}" for name in names)
    listed = ", ".join(identifier(name) for name in names)
    db.execute("DELETE FROM ops.column_counts WHERE batch_no IN (SELECT batch_no FROM pending)")
    db.execute(
        "INSERT INTO ops.column_counts SELECT _batch, name, rows, filled FROM (UNPIVOT ("
        f"SELECT _batch, count(*) AS rows, {counts} FROM staged WHERE {ALIVE} GROUP BY _batch) "
        f"ON {listed} INTO NAME name VALUE filled)"
    )


def _result(
    warehouse: Warehouse, expectation: Expectation, column: str, query: str, **values: object
) -> CheckResult:
    row = warehouse.db.execute(query, values).fetchone()
    assert row is not None
    evaluated, failed = int(row[0]), int(row[1])
    return CheckResult(
        expectation.id, expectation.kind, column, expectation.severity,
        failed <= expectation.share * evaluated, evaluated, failed,
    )  # fmt: skip
