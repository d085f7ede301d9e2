"""Where foreign SQL runs: a database in memory with a source's tables and nothing else in reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import expressions as nodes
from sqlglot.errors import SqlglotError

from flows.sources import identifier

# What a source's SELECTs may take together, so that none of them holds up a night for ever.
MOST_SECONDS = 900
MOST_MEMORY = "1500MB"

_WORDS: tuple[tuple[type[duckdb.Error], str], ...] = (
    (
        duckdb.PermissionException,
        "it may read only the tables of [source.files] and the constants, no file and no address",
    ),
    (
        duckdb.ConversionException,
        "a value is not of the type that it is cast to; use try_cast, or leave it as text",
    ),
    (
        duckdb.OutOfMemoryException,
        f"it needs more than {MOST_MEMORY} of memory; make it simpler, or give it fewer files",
    ),
    (
        duckdb.InterruptException,
        f"it takes more than {MOST_SECONDS} s; make it simpler, or give it fewer files",
    ),
)
# SQL that is refused whatever the files hold.
_WRONG_SQL = (duckdb.PermissionException, duckdb.CatalogException, duckdb.ParserException)
# What these say comes from the SQL's text alone; any other error may quote a cell.
_STATIC = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)


@contextmanager
def sandbox(
    tables: Mapping[str, pa.Table], constants: Mapping[str, str]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the tables and the one-row table `source`, locked before any SQL is run, and
    bounded in time and memory.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "python_enable_replacements": "false",
        "memory_limit": MOST_MEMORY,
    }
    with duckdb.connect(config=config) as db:
        db.execute("SET TimeZone = 'UTC'")
        db.execute("SET temp_directory = ''")  # patients' rows must not spill into a folder
        for name, rows in {
            **tables,
            "source": pa.table({key: [value] for key, value in constants.items()}),
        }.items():
            db.register("given", rows)
            db.execute(f"CREATE TABLE {identifier(name)} AS SELECT * FROM given")
            db.unregister("given")
        db.execute("SET enable_external_access = false")
        db.execute("SET lock_configuration = true")
        done = Event()
        Thread(target=_stop_in_time, args=(db, done), daemon=True).start()
        try:
            yield db
        finally:
            done.set()


def _stop_in_time(db: duckdb.DuckDBPyConnection, done: Event) -> None:
    """Interrupt whatever is running once the time is up, and whatever is begun after that."""
    if not done.wait(MOST_SECONDS):
        while not done.wait(0.1):
            db.interrupt()


def is_one_select(text: str) -> bool:
    """Whether a text is one SELECT, as sqlglot and DuckDB read it, that changes nothing."""
    try:
        with duckdb.connect() as db:
            read = db.extract_statements(text)
        if len(read) != 1 or read[0].type != duckdb.StatementType.SELECT:
            return False
        statements = [part for part in sqlglot.parse(text, read="duckdb") if part is not None]
    except (SqlglotError, duckdb.Error, RecursionError, ValueError):
        return False  # the last: a kind of statement that DuckDB's binding has no name for
    if len(statements) != 1 or not isinstance(statements[0], nodes.Query):
        return False
    return statements[0].find(nodes.DML, nodes.DDL, nodes.Command, nodes.Into) is None


def is_one_condition(text: str) -> bool:
    """Whether a text is one condition on a row's own columns."""
    try:
        statements = sqlglot.parse(f"SELECT ({text}\n)", read="duckdb")
    except (SqlglotError, RecursionError):
        return False
    if len(statements) != 1 or not isinstance(statements[0], nodes.Select):
        return False
    tree = statements[0]
    given = {key for key, value in tree.args.items() if value}
    (only, *more) = tree.expressions
    return (
        given == {"expressions"}
        and not more
        and isinstance(only, nodes.Paren)
        and only.find(nodes.Query, nodes.Window, nodes.AggFunc) is None
    )


def is_wrong_sql(error: duckdb.Error) -> bool:
    """Whether SQL fails for what it is, not for what it is given: a column may be missing from the
    files of one night, a table or a function is missing from the SQL."""
    return isinstance(error, _WRONG_SQL)


def plain_reason(error: duckdb.Error) -> str:
    """Why SQL failed, without a cell's value."""
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words
    if isinstance(error, _STATIC):
        lines = [line.strip() for line in str(error).splitlines()[:2]]
        shown = [line for line in lines if line and not line.startswith("LINE ")]
        return "; ".join(line.rstrip(".!") for line in shown)
    return f"DuckDB refuses a value in it ({type(error).__name__})"
