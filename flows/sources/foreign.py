"""Foreign exports: files of another layout become feeds by SQL, not by code.

A source's files are all-text tables in a database of their own, without access to files or the
network. One SELECT a feed gives that feed's columns and says with `_file` and `_row` which input
row each output row comes from; each input row is used, skipped by a named predicate, or
quarantined.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import duckdb
import pyarrow as pa

from checks.contract import contract, contracts
from flows.errors import KeelError, SourceFailed, UsageError
from flows.settings import SourceSettings
from flows.sources import identifier, quoted
from flows.sources.foreign_files import read_tables
from flows.sources.foreign_rows import (
    ForeignAccount,
    accounts,
    given_by,
    gives_strays,
    with_skipped,
)
from flows.sources.sandbox import (
    is_one_condition,
    is_one_select,
    is_wrong_sql,
    plain_reason,
    sandbox,
)

_DERIVED = re.compile(r"^--\s*derived:\s*(\w+):\s*(.+?)\s*$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9][\w-]*")


@dataclass(frozen=True)
class ForeignBatch:
    """What a SELECT gave from one file: the feed's columns as text, `_file` and `_row`.

    `label` is <system>/<feed>/<file>, without the file when the SELECT gave nothing. `sha256` is
    that of everything else here: a file that stays, beside others that come, is no new delivery,
    so its older rows are not taken for later ones. `derived` says column by column how a date that
    the source does not have was made.
    """

    clinic_id: str
    feed: str
    label: str
    sha256: str
    rows: pa.Table
    derived: Mapping[str, str]


@dataclass(frozen=True)
class Conversion:
    """A foreign export as batches, with the account of its rows."""

    batches: tuple[ForeignBatch, ...]
    accounts: tuple[ForeignAccount, ...]


def convert(source: SourceSettings, base: Path) -> Conversion:
    """Turn a source's files into batches of feeds; relative paths start at `base`.

    Raises UsageError for a setting or a SELECT that is wrong whatever the files hold, SourceFailed
    for what is wrong with them, naming it.
    """
    selects = checked_selects(source, base)
    tables = read_tables(source, base)
    constants = {**source.constants, "system": source.system, "clinic": source.clinic}
    arrow = {with_skipped(name): table.rows for name, table in tables.items()}
    try:
        with sandbox(arrow, constants) as db:
            for name in tables:
                _set_skipped_apart(db, source, name)
            for feed, text in selects.items():
                _fill(db, source, feed, text)
                _require_input_rows(db, source, tables, feed)
            account = tuple(accounts(db, {name: t.files for name, t in tables.items()}, selects))
            batches = tuple(
                batch
                for feed, text in selects.items()
                for batch in _batches(db, source, feed, text)
            )
    except duckdb.Error as error:
        raise _fails(source, "counting what became of its rows", error) from None
    return Conversion(batches, account)


def checked_selects(source: SourceSettings, base: Path) -> dict[str, str]:
    """Feed to SELECT in load order. Raises UsageError for settings that are wrong, as far as that
    shows before anything is read."""
    selects = _selects(source, base)
    _require_settings(source)
    return selects


def _selects(source: SourceSettings, base: Path) -> dict[str, str]:
    """Feed to SELECT in load order: the network's own, else Keel's for that system."""
    for feed in source.select:
        if feed not in contracts():
            raise _wrong(source, f"[source.select] names {feed}, {_nearest(feed, contracts())}")
    folder = files("sql") / "sources" / source.system
    found: dict[str, str] = {}
    for feed in contracts():
        shipped = folder / f"{feed}.sql"
        if feed in source.select:
            found[feed] = _text_of(source, base / source.select[feed])
        elif _NAME.fullmatch(source.system) and shipped.is_file():
            found[feed] = shipped.read_text(encoding="utf-8")
    if not found:
        raise _wrong(
            source,
            f"no SELECT fills a feed; put one at sql/sources/{source.system}/<feed>.sql or name "
            "one under [source.select].",
        )
    for feed, text in found.items():
        if not is_one_select(text):
            raise _wrong(source, f"the SQL of {feed} must be one SELECT and nothing else.")
    return found


def _text_of(source: SourceSettings, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise _wrong(
            source, f"{path} cannot be read as UTF-8 text; mend [source.select]."
        ) from None


def _require_settings(source: SourceSettings) -> None:
    if not _NAME.fullmatch(source.clinic):
        raise _wrong(source, "clinic must be letters, digits, - and _, as its folder would be.")
    if not source.files:
        raise _wrong(source, "[source.files] is empty; give at least one name = glob.")
    for name in source.files:
        if not re.fullmatch(r"[A-Za-z]\w*", name) or name == "source":
            raise _wrong(
                source, f"[source.files] names {name!r}; use letters, digits and _, but not source."
            )
    for name, predicates in source.skip.items():
        if name not in source.files:
            raise _wrong(source, f"[source.skip] names {name}, {_nearest(name, source.files)}")
        for predicate, text in predicates.items():
            if not is_one_condition(text):
                raise _wrong(
                    source,
                    f"{predicate} of [source.skip.{name}] must be one condition on the row's own "
                    "columns, with no SELECT and no aggregate.",
                )


def _set_skipped_apart(db: duckdb.DuckDBPyConnection, source: SourceSettings, name: str) -> None:
    """The SELECTs see the rows that no predicate leaves out; the first that holds names why."""
    whole = identifier(with_skipped(name))
    cases = "".join(
        f" WHEN ({text}\n) THEN {quoted(predicate)}"
        for predicate, text in source.skip.get(name, {}).items()
    )
    db.execute(f"ALTER TABLE {whole} ADD COLUMN _skipped VARCHAR")
    if cases:
        try:
            db.execute(f"UPDATE {whole} SET _skipped = CASE{cases} END")
        except duckdb.Error as error:
            raise _fails(source, f"[source.skip.{name}]", error) from None
    db.execute(
        f"CREATE VIEW {identifier(name)} AS SELECT * EXCLUDE (_skipped) FROM {whole} "
        "WHERE _skipped IS NULL"
    )


def _fill(db: duckdb.DuckDBPyConnection, source: SourceSettings, feed: str, text: str) -> None:
    """Keep what a SELECT gives, as text, in the order of the input rows."""
    text = text.strip().rstrip(";")
    try:
        given = db.execute(f"DESCRIBE ({text}\n)").fetchall()
        _require_columns(source, feed, [row[0] for row in given], _DERIVED.findall(text))
        columns = ", ".join(f"{_as_text(row[0], row[1])} AS {identifier(row[0])}" for row in given)
        kept = identifier(given_by(feed))
        db.execute(f"CREATE TABLE {kept} AS SELECT {columns} FROM (\n{text}\n)")
    except duckdb.Error as error:
        raise _fails(source, f"the SELECT of {feed}", error) from None


def _as_text(name: str, kind: str) -> str:
    if name == "_row":
        return f"{identifier(name)}::BIGINT"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime(timezone('UTC', {identifier(name)}), '%Y-%m-%dT%H:%M:%S.%fZ')"
    return f"{identifier(name)}::VARCHAR"


def _require_columns(
    source: SourceSettings, feed: str, names: Sequence[str], derived: Iterable[tuple[str, str]]
) -> None:
    allowed = (*contract(feed).names, "_file", "_row")
    for name in names:
        if name not in allowed:
            raise _wrong(source, f"the SELECT of {feed} gives {name}, {_nearest(name, allowed)}")
        if names.count(name) > 1:
            raise _wrong(source, f"the SELECT of {feed} gives {name} twice; name each column once.")
    for name, _ in derived:
        if name not in names:
            raise _wrong(
                source, f"a `-- derived:` line of {feed} tells of {name}, {_nearest(name, names)}"
            )
    for name in ("_file", "_row"):
        if name not in names:
            raise _wrong(
                source, f"the SELECT of {feed} must give {name}, taken from the table it reads."
            )


def _require_input_rows(
    db: duckdb.DuckDBPyConnection, source: SourceSettings, tables: Iterable[str], feed: str
) -> None:
    if gives_strays(db, feed, tables):
        raise SourceFailed(
            f"source {source.system}: the SELECT of {feed} gives rows whose _file and _row are "
            "those of no input row; take both from the table that it reads."
        )


def _batches(
    db: duckdb.DuckDBPyConnection, source: SourceSettings, feed: str, text: str
) -> Iterator[ForeignBatch]:
    """One batch a file; a SELECT that gives nothing is a delivery without rows."""
    given = identifier(given_by(feed))
    found = db.execute(f"SELECT DISTINCT _file FROM {given} ORDER BY 1").fetchall()
    names = [row[0] for row in db.execute(f"DESCRIBE {given}").fetchall()]
    order = ", ".join(identifier(name) for name in dict.fromkeys(("_file", "_row", *names)))
    cells = ", ".join(f"coalesce({identifier(name)}::VARCHAR, '')" for name in names)
    derived = dict(_DERIVED.findall(text))
    for (file,) in found or [(None,)]:
        mine = f"(SELECT * FROM {given} WHERE _file IS NOT DISTINCT FROM $file)"
        part = db.sql(
            f"SELECT * FROM {mine} ORDER BY {order}", params={"file": file}
        ).to_arrow_table()
        content = db.execute(
            f"SELECT sha256(coalesce(string_agg(sha256(concat_ws(chr(31), {cells})), '' "
            f"ORDER BY {order}), '')) FROM {mine}",
            {"file": file},
        ).fetchall()
        label = "/".join(filter(None, (source.system, feed, file)))
        identity = json.dumps([source.clinic, label, names, content, sorted(derived.items())])
        yield ForeignBatch(
            clinic_id=source.clinic,
            feed=feed,
            label=label,
            sha256=hashlib.sha256(identity.encode()).hexdigest(),
            rows=part,
            derived=derived,
        )


def _wrong(source: SourceSettings, problem: str) -> UsageError:
    return UsageError(f"source {source.system}: {problem}")


def _fails(source: SourceSettings, what: str, error: duckdb.Error) -> KeelError:
    kind = UsageError if is_wrong_sql(error) else SourceFailed
    return kind(f"source {source.system}: {what} fails: {plain_reason(error)}.")


def _nearest(name: str, names: Iterable[str]) -> str:
    names = tuple(names)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"which is not there; did you mean {near[0]}?"
    return f"which is not one of {', '.join(names)}."
