"""The spreadsheet's and the PDF's own promises: no formulas, caps that are said, the same bytes."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import fastexcel
import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.reports.paper import Paper
from flows.reports.pdf import write_pdf
from flows.reports.rates import prepare
from flows.reports.workbook import workbook
from flows.reports.xlsx import write_xlsx
from tests.publish.nights import Nights, plain_nights
from tests.reports.conftest import Forms

MADE = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "=cmd|' /C calc'!A0", "@SUM(1)", "+1", "-1", "1e5", "https://example.org",
     "mailto:x@example.org", "{=1}"],
)  # fmt: skip
def test_text_is_never_a_formula_a_number_or_a_link(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "x.xlsx"
    with workbook(path, "x", MADE) as book:
        book.sheet("S", "One row.", (("A", "text"),), [(cell,)])
    assert fastexcel.read_excel(path).load_sheet("S", header_row=2).to_polars()["A"][0] == cell
    with zipfile.ZipFile(path) as archive:
        inside = b"".join(archive.read(name) for name in archive.namelist())
    assert b"<f>" not in inside
    assert b"<hyperlink" not in inside


def test_text_that_excel_does_not_take_whole_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    with workbook(path, "x", MADE) as book:
        book.sheet("S", "One row.", (("A", "text"), ("B", "long")), [("x" * 40_000, "y" * 40_000)])
    found = fastexcel.read_excel(path).load_sheet("S", header_row=2).to_polars().row(0)
    assert found == ("x" * 32_767, "y" * 32_767)


def test_kinds_of_cells_are_shown_as_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    columns = (("S", "share"), ("U", "usd"), ("D", "date"), ("T", "time"), ("Y", "yes"))
    moment = datetime.fromisoformat("2026-05-04T09:30")
    row = (0.5, Decimal("12.345678"), date(2026, 5, 4), moment, True)
    with workbook(path, "x", MADE) as book:
        book.sheet("S", "One row.", columns, [row, (None,) * 5])
    found = fastexcel.read_excel(path).load_sheet("S", header_row=2).to_polars().row(0)
    assert found == (0.5, 12.345678, datetime.fromisoformat("2026-05-04"), moment, "yes")
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        styles = archive.read("xl/styles.xml").decode()
    assert 'ySplit="3"' in sheet  # the headings stay
    assert '<autoFilter ref="A3:E5"' in sheet
    assert all(form in styles for form in ("0.0%", "$#,##0.00", "yyyy-mm-dd hh:mm"))


def test_a_list_that_is_cut_says_so(
    forms: Forms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.reports.xlsx.MOST_ROWS", 3)
    write_xlsx(forms.db, tmp_path / "x.xlsx")
    found = fastexcel.read_excel(tmp_path / "x.xlsx").load_sheet("Findings", header_row=None)
    lines = found.to_polars()
    assert len(lines) == 3 + 3
    assert "The first 3 of " in lines.row(0)[0]
    assert "marts.findings of results.duckdb" in lines.row(0)[0]


@pytest.mark.parametrize("write", [write_xlsx, write_pdf])
def test_the_same_run_gives_the_same_bytes_and_leaves_nothing_else(
    forms: Forms, tmp_path: Path, write: Callable[..., None]
) -> None:
    for name in ("one", "two"):
        write(forms.db, tmp_path / name)
    one, two = (hashlib.sha256((tmp_path / name).read_bytes()) for name in ("one", "two"))
    assert one.hexdigest() == two.hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_a_network_of_which_nothing_was_judged_has_both(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    with plain_nights():
        run, _ = nights.publish()
    with duckdb.connect(str(run / "results.duckdb"), read_only=True) as db:
        prepare(db)
        write_xlsx(db, tmp_path / "x.xlsx")
        write_pdf(db, tmp_path / "x.pdf")
    first = pypdf.PdfReader(tmp_path / "x.pdf").pages[0].extract_text()
    assert "Nothing can be said yet" in first


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
def test_any_text_fits_the_pdfs_letters(text: str) -> None:
    paper = Paper("t", "h", "f", MADE)
    plain = paper._plain(text)
    plain.encode("latin-1")
    assert paper.replaced or plain == text or len(plain) >= len(text)


@pytest.mark.parametrize(
    ("text", "plain", "replaced"),
    [("Zoë", "Zoë", False), ("Łódź", "Lódz", True), ("≥ 90 – 95", ">= 90 - 95", False),
     ("東京", "??", True), ("Ș", "S", True)],
)  # fmt: skip
def test_letters_that_the_fonts_lack(text: str, plain: str, replaced: bool) -> None:
    paper = Paper("t", "h", "f", MADE)
    assert (paper._plain(text), paper.replaced) == (plain, replaced)
