"""Foreign exports: files of another layout become feeds by SQL, not by code.

A source's files are all-text tables in a database of their own, without access to files or the
network. One SELECT a feed gives that feed's columns and says with `_file` and `_row` which input
row each output row comes from; each input row is used, skipped by a named predicate, or
quarantined.
"""

from __future__ import annotations

import difflib
import glob
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import sqlglot
from sqlglot import expressions as nodes
from sqlglot.errors import SqlglotError

from checks.contract import contract, contracts
from flows.errors import KeelError, UsageError
from flows.settings import SourceSettings
from flows.sources import (
    Unreadable, checked_header, formats, identifier, opened, quoted, suffix_of,
)  # fmt: skip

_DERIVED = re.compile(r"^--\s*derived:\s*(\w+):\s*(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class ForeignBatch:
    """What a SELECT gave from one file: a feed's columns as text, with `_file` and `_row`."""

    clinic_id: str
    feed: str
    label: str
    sha256: str
    rows: pa.Table
    derived: Mapping[str, str]


@dataclass(frozen=True)
class ForeignAccount:
    """What became of one file's rows: rows = used + skipped + quarantined."""

    table: str
    file: str
    rows: int
    used: int
    skipped: Mapping[str, int]
    quarantined: int


@dataclass(frozen=True)
class Conversion:
    """A foreign export as batches, with the account of its rows."""

    batches: tuple[ForeignBatch, ...]
    accounts: tuple[ForeignAccount, ...]


def convert(source: SourceSettings, base: Path) -> Conversion:
    """Turn a source's files into batches of feeds.

    Raises UsageError for a setting or a SELECT that is wrong, naming it; KeelError when a SELECT
    gives rows of no input row.
    """
    tables = {name: _read(source, name, pattern, base) for name, pattern in source.files.items()}
    selects = _selects(source)
    if not selects:
        raise UsageError(
            f"source {source.system}: no SELECT fills a feed; put one at "
            f"sql/sources/{source.system}/<feed>.sql or name it under [source.select]."
        )
    digest = _digest(source, tables, selects)
    with _sandbox(source, tables) as db:
        given = {feed: _run(db, source, feed, text) for feed, text in selects.items()}
        accounts = tuple(_accounts(db, source, tables, given))
    batches = tuple(
        ForeignBatch(
            clinic_id=source.clinic,
            feed=feed,
            label=f"{source.system}/{file}",
            sha256=hashlib.sha256(f"{digest}/{feed}/{file}".encode()).hexdigest(),
            rows=part,
            derived=dict(_DERIVED.findall(selects[feed])),
        )
        for feed, rows in given.items()
        for file, part in _by_file(rows)
    )
    return Conversion(batches, accounts)


def _read(source: SourceSettings, name: str, pattern: str, base: Path) -> pa.Table:
    """All files of one glob as one all-text table with `_file` and `_row`."""
    found = sorted(glob.glob(pattern, root_dir=base, recursive=True))
    paths = [base / path for path in found if (base / path).is_file()]
    if not paths:
        raise UsageError(
            f"source {source.system}: {pattern} finds no file for {name}; mend [source.files]."
        )
    return pa.concat_tables([_read_file(source, path) for path in paths], promote_options="default")


def _read_file(source: SourceSettings, path: Path) -> pa.Table:
    suffix = suffix_of(path.name)
    if suffix is None:
        raise UsageError(f"source {source.system}: {path.name} is none of {', '.join(formats())}.")
    with duckdb.connect() as db, opened(path.resolve()) as handle:
        db.execute("SET TimeZone = 'UTC'")
        try:
            text = formats()[suffix].text_select(db, handle, suffix)
            checked_header(list(text.header))
            rows = db.sql(
                f"SELECT *, {quoted(path.name)} AS _file, row_number() OVER () AS _row "
                f"FROM ({text.sql})"
            ).to_arrow_table()
        except Unreadable as problem:
            raise UsageError(f"source {source.system}: {path.name}: {problem}.") from None
        except duckdb.Error:
            raise UsageError(
                f"source {source.system}: {path.name} cannot be read as {suffix}; each line must "
                "have the header's fields, in UTF-8."
            ) from None
    return rows


def _selects(source: SourceSettings) -> dict[str, str]:
    """Feed to SELECT: the network's own, else Keel's for that system; each a single SELECT."""
    folder = files("sql") / "sources" / source.system
    found: dict[str, str] = {}
    for feed in contracts():
        own = source.select.get(feed)
        shipped = folder / f"{feed}.sql"
        try:
            if own is not None:
                found[feed] = own.read_text(encoding="utf-8")
            elif re.fullmatch(r"\w+", source.system) and shipped.is_file():
                found[feed] = shipped.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise UsageError(f"source {source.system}: {own} cannot be read.") from None
    for feed in source.select:
        contract(feed)
    for feed, text in found.items():
        _require_select(source, feed, text)
    return found


def _require_select(source: SourceSettings, feed: str, text: str) -> None:
    try:
        statements = [part for part in sqlglot.parse(text, read="duckdb") if part is not None]
    except SqlglotError:
        statements = []
    if len(statements) != 1 or not isinstance(statements[0], nodes.Query):
        raise UsageError(
            f"source {source.system}: the SQL of {feed} must be one SELECT that can be parsed."
        )


def _require_predicate(source: SourceSettings, table: str, name: str, text: str) -> None:
    try:
        (statement,) = sqlglot.parse(f"SELECT ({text})", read="duckdb")
    except (SqlglotError, ValueError):
        statement = None
    single = isinstance(statement, nodes.Select) and len(statement.expressions) == 1
    if not single or not isinstance(statement.expressions[0], nodes.Paren):  # type: ignore[union-attr]
        raise UsageError(
            f"source {source.system}: the predicate {name} of [source.skip.{table}] must be one "
            "SQL condition."
        )


@contextmanager
def _sandbox(
    source: SourceSettings, tables: Mapping[str, pa.Table]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the source's tables and nothing else within reach."""
    with duckdb.connect(config={"python_enable_replacements": "false"}) as db:
        db.execute("SET TimeZone = 'UTC'")
        for name, rows in tables.items():
            predicates = source.skip.get(name, {})
            whole = identifier(f"{name} with skipped")
            db.register("given", rows)
            db.execute(f"CREATE TABLE {whole} AS SELECT * FROM given")
            db.unregister("given")
            cases = ""
            for predicate, text in predicates.items():
                _require_predicate(source, name, predicate, text)
                cases += f" WHEN ({text}) THEN {quoted(predicate)}"
            reason = f"CASE{cases} END" if cases else "NULL::VARCHAR"
            try:
                db.execute(f"ALTER TABLE {whole} ADD COLUMN _skipped VARCHAR")
                db.execute(f"UPDATE {whole} SET _skipped = {reason}")
            except duckdb.Error as error:
                raise UsageError(
                    f"source {source.system}: a predicate of [source.skip.{name}] fails: "
                    f"{_without_values(error)}."
                ) from None
            db.execute(
                f"CREATE VIEW {identifier(name)} AS SELECT * EXCLUDE (_skipped) FROM {whole} "
                "WHERE _skipped IS NULL"
            )
        constants = {"system": source.system, "clinic": source.clinic, **source.constants}
        db.register("given", pa.table({key: [value] for key, value in constants.items()}))
        db.execute("CREATE TABLE source AS SELECT * FROM given")
        db.unregister("given")
        db.execute("SET enable_external_access = false")
        db.execute("SET lock_configuration = true")
        yield db


def _run(db: duckdb.DuckDBPyConnection, source: SourceSettings, feed: str, text: str) -> pa.Table:
    text = text.strip().rstrip(";")
    try:
        names = [row[0] for row in db.execute(f"DESCRIBE ({text})").fetchall()]
        _check_columns(source, feed, names)
        columns = ", ".join(
            identifier(name)
            if name == "_row"
            else f"{identifier(name)}::VARCHAR AS {identifier(name)}"
            for name in names
        )
        return db.sql(f"SELECT {columns} FROM ({text}) ORDER BY ALL").to_arrow_table()
    except duckdb.Error as error:
        raise UsageError(
            f"source {source.system}: the SELECT of {feed} fails: {_without_values(error)}."
        ) from None


def _check_columns(source: SourceSettings, feed: str, names: list[str]) -> None:
    allowed = (*contract(feed).names, "_file", "_row")
    for name in names:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise UsageError(
                f"source {source.system}: the SELECT of {feed} gives {name}, which the feed does "
                f"not have{hint}"
            )
    for name in ("_file", "_row"):
        if name not in names:
            raise UsageError(f"source {source.system}: the SELECT of {feed} must give {name}.")


def _accounts(
    db: duckdb.DuckDBPyConnection,
    source: SourceSettings,
    tables: Mapping[str, pa.Table],
    given: Mapping[str, pa.Table],
) -> Iterator[ForeignAccount]:
    used = {
        pair
        for rows in given.values()
        for pair in zip(rows["_file"].to_pylist(), rows["_row"].to_pylist(), strict=True)
    }
    seen: set[tuple[str, int]] = set()
    for name in tables:
        rows = db.execute(
            f"SELECT _file, _row, _skipped FROM {identifier(f'{name} with skipped')}"
        ).fetchall()
        for file in sorted({row[0] for row in rows}):
            mine = [(row[1], row[2]) for row in rows if row[0] == file]
            skipped = Counter(reason for _, reason in mine if reason is not None)
            taken = {number for number, reason in mine if reason is None and (file, number) in used}
            seen |= {(file, number) for number in taken}
            left = len(mine) - sum(skipped.values()) - len(taken)
            yield ForeignAccount(name, file, len(mine), len(taken), dict(skipped), left)
    if used - seen:
        raise KeelError(
            f"source {source.system}: a SELECT gives rows whose _file and _row are those of no "
            "input row; take both from the table that is read."
        )


def _by_file(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    for file in sorted(set(rows["_file"].to_pylist())):
        yield file, rows.filter(pc.equal(rows["_file"], file))


def _digest(
    source: SourceSettings, tables: Mapping[str, pa.Table], selects: Mapping[str, str]
) -> str:
    """Changes when a file, a SELECT, a predicate or a constant does."""
    digest = hashlib.sha256(source.model_dump_json(exclude={"files", "select"}).encode())
    for name, rows in sorted(tables.items()):
        digest.update(name.encode())
        for column in rows.columns:
            digest.update("\x1f".join(str(value) for value in column.to_pylist()).encode())
    for feed, text in sorted(selects.items()):
        digest.update(f"{feed}\x1e{text}".encode())
    return digest.hexdigest()


def _without_values(error: duckdb.Error) -> str:
    """The kind of an error and what binds badly; a conversion's words quote cells, so not those."""
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException | duckdb.ParserException):
        return str(error).splitlines()[0].rstrip(".")
    return type(error).__name__
