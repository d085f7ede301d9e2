"""Bytes of every kind: a file is read exactly, or refused whole; a byte is never lost silently."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.reading import expected, read

CELLS = [b"x", b"", b"'", b'"a"', b'"a,b"', b'"a\nb"', b'"a""b"', b"\xc3\xa9", b'x"y', b"\\", b"#"]
BYTES = [
    b",", b'"', b"\n", b"\r\n", b"\r", b"a", b"\xc3\xa9", b"\0", b"\xff", b"\xef\xbb\xbf", b";",
    b"\x1a", b"\x0b", b"\x85", b"\xe2\x80\xa8", b" ",
]  # fmt: skip
rows = st.lists(st.tuples(*[st.sampled_from(CELLS)] * 3), max_size=6)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A file of three columns, in which a few bytes may be changed; or none at all."""
    end = draw(st.sampled_from([b"\n", b"\r\n"]))
    content = b"a,b,c" + end + end.join(b",".join(row) for row in draw(rows))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(content)))
        content = (
            content[:at] + draw(st.sampled_from(BYTES)) + content[at + draw(st.integers(0, 1)) :]
        )
    return draw(st.one_of(st.just(content), st.just(content), st.binary(max_size=40)))


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=files())
def test_any_bytes_are_read_exactly_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "staff.csv"
    path.write_bytes(content)
    got = read(path)
    assert got is None or got == expected(content)


EXACT = {
    "a BOM": b"\xef\xbb\xbfa,b,c\n1,2,3\n",
    "CRLF": b'a,b,c\r\n1,"x\r\ny",3\r\n',
    "lines that end with CR": b"a,b,c\r1,2,3\r4,5,6\r",
    "quotes, commas and newlines in cells": b'a,b,c\n"1,""x""\ny",2,3\n',
    "delimiters in cells only": b'a,b,c\n",,,",2,3\n',
    "empty last cells": b"a,b,c\n1,2,\n1,,\n",
    "blank lines": b"a,b,c\n\n1,2,3\n\n",
    "two members of a gzip": b"",
    "a header alone": b"a,b,c\n",
    "blanks around quotes": b'a,b,c\n "1,2" , x ,"3" \n',
    "a literal NULL": b"a,b,c\nNULL,NA,\\N\n",
    "quotes about blanks in a cell": b'a,b,c\n"""x"" ""y"""," ",""" """\n' * 2,
    "a quote after blanks in a cell": b'a,b,c\n1,"x,  ""y""",3\n',
    "blank lines of one column": b"a\n\n1\n",
}


@pytest.mark.parametrize("what", EXACT)
def test_what_is_allowed_is_read_exactly(tmp_path: Path, what: str) -> None:
    path, content = tmp_path / "staff.csv", EXACT[what]
    packed = content
    if not content:
        path, parts = tmp_path / "staff.csv.gz", (b"a,b,c\n1,2,3\n", b"4,5,6\n")
        content, packed = b"".join(parts), b"".join(map(gzip.compress, parts))
    path.write_bytes(packed)
    assert read(path) == expected(content) is not None


GOOD = b"a,b,c\n" + b"1,2,3\n" * 200_000
MEGABYTE = b"a,b,c\n" + b"12,34,56\n" * 111_109
REFUSED = {
    "a cell that goes on after its closing quote": b'a,b,c\n1,"x" "y",3\n',
    "one that begins anew": b'a,b,c\n1, "x"  "y,2" ,3\n',
    "a quote after blanks": b'a,b\n  "x,1\n2,y"\n',
    "blanks at the end of a megabyte, then a quote": MEGABYTE + b"1234567891, " + b' "x" ,3\n',
    "one at the end of a megabyte": MEGABYTE + b'1,"x"' + b" " * 9 + b'"y",3\n',
    "a trailing delimiter in one row": b"a,b,c\n1,2,3\n1,2,3,\n",
    "trailing delimiters everywhere": b"a,b,c,\n1,2,3,\n",
    "a zero byte far below": GOOD + b"1,\0,3\n",
    "a zero byte in quotes": GOOD + b'1,"\0",3\n',
    "cp1252 far below": GOOD + b"1,\xe9,3\n",
    "an overlong UTF-8": b"a,b,c\n1,\xc0\xaf,3\n",
    "half a surrogate": b"a,b,c\n1,\xed\xa0\x80,3\n",
    "UTF-16": "a,b,c\n1,2,3\n".encode("utf-16"),
    "two BOMs": b"\xef\xbb\xbf" * 2 + b"a,b,c\n1,2,3\n",
    "two ends of lines": b"a,b,c\n1,2,3\r\n4,5,6\n",
    "a doubled name": b"a,b,A\n1,2,3\n",
    "a blank name": b"a, ,c\n1,2,3\n",
    "nothing": b"",
    "a blank line first": b"\na,b,c\n1,2,3\n",
    "a line of 3 MB": b"a,b,c\n1," + b"x" * 3_000_000 + b",3\n",
    "a header of 3 MB": b"a,b,c" + b"x" * 3_000_000 + b"\n1,2,3\n",
    "a cell of 10 MB with newlines": b'a,b,c\n1,"' + b"x\n" * 5_000_000 + b'",3\n',
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_exactly_is_refused_whole(tmp_path: Path, what: str) -> None:
    path = tmp_path / "staff.csv"
    path.write_bytes(REFUSED[what])
    assert read(path) is None


@pytest.mark.long
@pytest.mark.parametrize("quoted", [b"", b'"'])
def test_a_line_of_100_mb_is_refused(tmp_path: Path, quoted: bytes) -> None:
    """DuckDB alone ends the file there and tells of no error."""
    path = tmp_path / "staff.csv"
    path.write_bytes(b"a,b,c\n1," + quoted + b"x" * 100_000_000 + quoted + b",3\n4,5,6\n")
    assert read(path) is None


def packed_rows() -> bytes:
    chance = random.Random(1)
    lines = (b"%d,%d,x\n" % (number, chance.randrange(10**9)) for number in range(20_000))
    return gzip.compress(b"a,b,c\n" + b"".join(lines))


def test_a_gzip_cut_off_at_a_hundred_places_is_refused(tmp_path: Path) -> None:
    path, whole = tmp_path / "staff.csv.gz", packed_rows()
    for part in range(100):
        path.write_bytes(whole[: len(whole) * part // 100])
        assert read(path) is None, part
    path.write_bytes(whole[:-1])
    assert read(path) is None


def test_a_gzip_damaged_anywhere_is_refused(tmp_path: Path) -> None:
    """Its checksum and its length too, at which DuckDB alone does not look."""
    path, whole = tmp_path / "staff.csv.gz", packed_rows()
    places = [*random.Random(2).sample(range(20, len(whole) - 8), 20), *range(-8, 0)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        assert read(path) is None, place
    path.write_bytes(whole + b"more")
    assert read(path) is None


def test_a_gzip_that_unpacks_to_far_more_than_an_export_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "staff.csv.gz"
    path.write_bytes(gzip.compress(b"a,b,c\n" + b"1,2,3\n" * 20_000_000, 9))
    assert path.stat().st_size < 1_000_000
    assert read(path) is None


def test_a_file_may_unpack_to_so_many_bytes_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "staff.csv.gz"
    path.write_bytes(packed_rows())
    assert read(path) is not None
    monkeypatch.setattr("flows.sources.examined.MOST_BYTES", 100_000)
    assert read(path) is None


@pytest.mark.parametrize(
    "rows",
    [
        "SELECT 'ann' AS a, 'nurse' AS b FROM range(60_000_000)",
        "SELECT i::VARCHAR AS a, repeat('x', 100_000) AS b FROM range(3_000) t(i)",
    ],
    ids=["one cell many times", "one long text many times"],
)
def test_a_parquet_file_that_unpacks_to_far_more_is_refused(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "staff.parquet"
    with duckdb.connect() as db:
        db.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
    assert path.stat().st_size < 1_000_000
    assert read(path) is None


def test_a_parquet_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "staff.parquet"
    rows = "SELECT i::VARCHAR AS a, hash(i)::VARCHAR AS b FROM range(5_000) t(i)"
    with duckdb.connect() as db:
        db.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet)")
    whole = path.read_bytes()
    for part in range(25):
        path.write_bytes(whole[: len(whole) * part // 25])
        assert read(path) is None, part


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "iso8859-15"])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_a_declared_encoding_is_read_exactly(tmp_path: Path, encoding: str, suffix: str) -> None:
    path = tmp_path / f"staff{suffix}"
    content = 'a,b,c\n1,"café ""x""",€\n'.encode(encoding)
    path.write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
    assert read(path, encoding) == [("1", 'café "x"', "€")]
