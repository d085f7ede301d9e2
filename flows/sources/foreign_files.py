"""A foreign source's files as all-text tables that say of each row where it stood."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from flows.errors import SourceFailed
from flows.settings import SourceSettings
from flows.sources import Unreadable, formats, opened, quoted, suffix_of
from flows.sources.recoded import in_utf8

_WILDCARD = re.compile(r"[*?\[]")
_OURS = ("_file", "_row", "_skipped")


@dataclass(frozen=True)
class InputTable:
    """The files of one name of [source.files]: their rows as text, with `_file` and `_row`."""

    files: tuple[str, ...]
    rows: pa.Table


def read_tables(source: SourceSettings, base: Path) -> dict[str, InputTable]:
    """Every table of the source; a file's name is its path below what all globs share.

    Raises SourceFailed for a glob that finds nothing, a file in two tables, and an unreadable file.
    """
    tables: dict[str, InputTable] = {}
    taken: dict[str, str] = {}
    for name, paths in found_files(source, base).items():
        if not paths:
            raise SourceFailed(
                f"source {source.system}: {source.files[name]} finds no file for {name}; ask where "
                "the export is, or mend [source.files]."
            )
        for file in paths:
            if file in taken:
                raise SourceFailed(
                    f"source {source.system}: {file} is in two tables, {taken[file]} and {name}; "
                    "narrow the globs of [source.files]."
                )
            taken[file] = name
        parts = [_read_file(source, path, file) for file, path in sorted(paths.items())]
        try:
            rows = pa.concat_tables(parts, promote_options="default")
        except pa.ArrowInvalid:
            rows = None
        if rows is None or len({column.lower() for column in rows.column_names}) < rows.num_columns:
            raise SourceFailed(
                f"source {source.system}: the files of {name} spell a column in two ways; give "
                "each spelling a table of its own in [source.files]."
            )
        tables[name] = InputTable(tuple(sorted(paths)), rows)
    return tables


def found_files(source: SourceSettings, base: Path) -> dict[str, dict[str, Path]]:
    """What each glob finds, by the name that a file has in its table. Raises SourceFailed."""
    fixed = {name: _fixed(base, pattern) for name, pattern in source.files.items()}
    root = Path(os.path.commonpath([folder for folder, _ in fixed.values()])) if fixed else base
    return {
        name: {path.relative_to(root).as_posix(): path for path in _found(source, folder, rest)}
        for name, (folder, rest) in fixed.items()
    }


def _fixed(base: Path, pattern: str) -> tuple[Path, str]:
    """A glob's folder without wildcards, absolute, and what follows it."""
    parts = Path(pattern).parts
    first = next((at for at, part in enumerate(parts) if _WILDCARD.search(part)), len(parts) - 1)
    return base.joinpath(*parts[:first]).resolve(), "/".join(parts[first:])


def _found(source: SourceSettings, folder: Path, rest: str) -> list[Path]:
    """Files, but none that is hidden: a copy under way has such a name."""
    try:
        if not rest or not folder.is_dir():
            return []
        return [
            path
            for path in sorted(folder.glob(rest))
            if path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        ]
    except OSError as error:
        raise SourceFailed(
            f"source {source.system}: {folder}: cannot be read ({error.strerror}); mend that."
        ) from None


def _read_file(source: SourceSettings, path: Path, file: str) -> pa.Table:
    suffix = suffix_of(path.name)
    if suffix is None:
        raise SourceFailed(f"source {source.system}: {file} is none of {', '.join(formats())}.")
    try:
        with (
            opened(path) as handle,
            in_utf8(handle, suffix, source.encoding) as readable,
            duckdb.connect() as db,
        ):
            db.execute("SET TimeZone = 'UTC'")
            db.execute("SET temp_directory = ''")
            text = formats()[suffix].text_select(db, readable, suffix)
            for name in text.header:
                if name.lower() in _OURS:
                    raise Unreadable(f"its header has {name}, which Keel adds itself; rename it")
            rows = db.sql(
                f"SELECT *, {quoted(file)} AS _file, row_number() OVER () AS _row FROM ({text.sql})"
            ).to_arrow_table()
            db.register("kept", rows)
            text.check("kept")
            return rows
    except Unreadable as problem:
        reason = str(problem)
    except OSError:
        reason = "it cannot be opened; a link is refused, else check its rights"
    except duckdb.Error as error:
        line = re.search(r"CSV Error on Line: (\d+)", str(error))
        reason = f"{f'line {line[1]}' if line else 'a line'} has other fields than its header"
        reason += ", an open quote, or is not UTF-8"
    raise SourceFailed(f"source {source.system}: {file}: {reason}.")
