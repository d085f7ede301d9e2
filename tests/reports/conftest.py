"""The shared demo run, with some hostile names in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pypdf
import pytest

from flows.reports.pdf import write_pdf
from flows.reports.rates import prepare
from flows.reports.xlsx import write_xlsx
from tests.demo_site import published

__all__ = ["published"]


@dataclass(frozen=True)
class Forms:
    """The three forms of one run's report, and the tables that they must agree with."""

    db: duckdb.DuckDBPyConnection
    xlsx: Path
    pdf: Path
    pdf_pages: list[str]
    html: str


@pytest.fixture(scope="module")
def forms(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forms]:
    folder, run = tmp_path_factory.mktemp("forms"), published / "current"
    with duckdb.connect(str(run / "results.duckdb"), read_only=True) as db:
        prepare(db)
        write_xlsx(db, folder / "report.xlsx")
        write_pdf(db, folder / "report.pdf")
        pages = [
            " ".join(page.extract_text().split())
            for page in pypdf.PdfReader(folder / "report.pdf").pages
        ]
        front = (run / "report" / "index.html").read_text(encoding="utf-8")
        yield Forms(db, folder / "report.xlsx", folder / "report.pdf", pages, _text(front))


def _text(html: str) -> str:
    """What a reader of a page sees, with single spaces."""

    said: list[str] = []

    class Words(HTMLParser):
        def handle_data(self, data: str) -> None:
            said.append(data)

    parser = Words()
    parser.feed(html)
    return " ".join(" ".join(said).split())
