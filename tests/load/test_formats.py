"""The same rows in every format are the same text, whatever DuckDB would have guessed."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import duckdb
import pytest

from flows.sources import Unreadable, formats, opened, suffix_of

ROWS = [
    ("s1", "2026-01-05T10:00", "007"),
    ("s2", 'quote " comma , line\nbreak', "1e5"),
    ("s3", None, "x"),
]
HEADER = ("session_id", "note", "code")
# The sample location_coordinates answers with another telephone number than its CSV holds.
WRONG_ANSWERS = {"location_coordinates"}
SPECTRUM = Path(__file__).parents[3] / "shared" / "data" / "csv-spectrum"


def read(path: Path) -> tuple[tuple[str, ...], list[tuple[str | None, ...]]]:
    suffix = suffix_of(path.name)
    assert suffix is not None
    with duckdb.connect() as db, opened(path) as handle:
        text = formats()[suffix].text_select(db, handle, suffix)
        return text.header, db.execute(text.sql).fetchall()


def written(folder: Path, suffix: str) -> Path:
    path = folder / f"sessions{suffix}"
    if suffix == ".parquet":
        with duckdb.connect() as db:
            db.execute("CREATE TABLE t (session_id VARCHAR, note VARCHAR, code VARCHAR)")
            db.executemany("INSERT INTO t VALUES (?, ?, ?)", ROWS)
            db.execute(f"COPY t TO '{path}'")
        return path
    delimiter = "\t" if suffix == ".tsv" else ","
    opener = gzip.open if suffix.endswith(".gz") else open
    with opener(path, "wt", newline="", encoding="utf-8") as file:  # type: ignore[operator]
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(HEADER)
        writer.writerows(ROWS)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv", ".parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    assert read(written(tmp_path, suffix)) == (HEADER, ROWS)


def test_every_format_is_tried() -> None:
    assert set(formats()) == {".csv", ".csv.gz", ".tsv", ".parquet"}


def test_typed_parquet_reads_as_a_csv_would(tmp_path: Path) -> None:
    path = tmp_path / "sessions.parquet"
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'America/New_York'")
        db.execute(
            "COPY (SELECT timestamptz '2026-01-05 10:00:00+02' AS at, 5 AS n, 0.5::DOUBLE AS x, "
            f"true AS yes, date '2026-01-05' AS day) TO '{path}'"
        )
    _, (row,) = read(path)
    assert row == ("2026-01-05T08:00:00.000000Z", "5", "0.5", "true", "2026-01-05")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"), (b"a,a\n1,2\n", "twice"), (b"a,\n1,2\n", "no usable name"),
        (b"PK\x03\x04\x00\x00", "zero bytes"), (b"caf\xe9,b\n1,2\n", "not UTF-8"),
    ],
)  # fmt: skip
def test_what_is_no_csv_is_told_without_its_content(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "sessions.csv"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=said):
        read(path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("a\n1\n")
    (tmp_path / "sessions.csv").symlink_to(tmp_path / "real.csv")
    with pytest.raises(OSError, match="symbolic link"), opened(tmp_path / "sessions.csv"):
        pytest.fail("a link was opened")


@pytest.mark.skipif(not SPECTRUM.is_dir(), reason="the csv-spectrum samples are not beside us")
@pytest.mark.parametrize(
    "path",
    [p for p in sorted(SPECTRUM.glob("csvs/*.csv")) if p.stem not in WRONG_ANSWERS],
    ids=lambda path: path.stem,
)
def test_the_csv_spectrum_is_read_as_its_answers_say(path: Path) -> None:
    expected = json.loads((path.parents[1] / "json" / f"{path.stem}.json").read_text("utf-8"))
    header, rows = read(path)
    found = [dict(zip(header, ("" if cell is None else cell for cell in row), strict=True))
             for row in rows]  # fmt: skip
    assert found == (expected if isinstance(expected, list) else [expected])
