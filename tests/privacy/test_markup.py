"""Text of the data in reports and tables: shown as it is, and no page or spreadsheet obeys it."""

from __future__ import annotations

import csv
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from flows.reports.external import write_external
from flows.spreadsheets import inert, write_csv
from tests.privacy.hostile import FORMULAS, MARKUP
from tests.publish.nights import Nights

TEXTS = [text for text in (*MARKUP, *FORMULAS) if "\r" not in text]
# Elements that Keel's pages never have, but markup of the data would make.
_STRANGE = {
    "iframe", "object", "embed", "base", "math", "mglyph", "textarea", "mtext", "noscript",
    "frame", "frameset", "applet",
}  # fmt: skip
_SAYS = ("alert(1)", "127.0.0.1:9", "/etc/passwd")


class Page(HTMLParser):
    """What a browser would take for elements, and the text that it shows."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.obeyed: list[str] = []
        self.shown = ""
        self._within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag
        if tag in _STRANGE:
            self.obeyed.append(f"<{tag}>")
        for name, value in attrs:
            target = (value or "").strip().lower()
            if name.startswith("on") or (
                name in ("href", "src", "action", "data", "xlink:href", "srcset")
                and re.match(r"(javascript|vbscript|data:text|https?:|//)", target)
                and any(word in target for word in ("alert", "127.0.0.1"))
            ):
                self.obeyed.append(f"{name}={value}")

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        self.shown += data
        if self._within in ("script", "style") and any(word in data for word in _SAYS):
            self.obeyed.append(f"{self._within}: {data[:60]}")


def escaped(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """A clinic per text, which is its name and that of its session, patient, scale and drug's lot;
    protocols and waivers say such things too."""
    nights = Nights(tmp_path_factory.mktemp("texts"))
    clean = [text.replace("\n", " ").replace("\r", " ") for text in TEXTS]
    names = [f"c{at:02}" for at in range(len(TEXTS))]
    nights.rows("_network/clinics_2026-01-02.csv", [
        {"clinic_id": clinic, "name": text, "time_zone": "America/Chicago", "state": text}
        for clinic, text in zip(names, TEXTS, strict=True)
    ])  # fmt: skip
    sessions, doses, scores = [], [], []
    for clinic, text in zip(names, TEXTS, strict=True):
        session, dose = nights.session(text, patient=f"p {text}", dose=500)
        assert dose is not None
        sessions.append({"clinic_id": clinic, **session, "chair": text, "prescriber_id": text})
        doses.append({"clinic_id": clinic, **dose, "lot": text})
        scores.append({"clinic_id": clinic, "outcome_id": text, "patient_id": f"p {text}",
                       "instrument": text, "instrument_version": text, "total": "30",
                       "administered_at": "2026-05-05T09:00"})  # fmt: skip
    nights.rows("_network/sessions_2026-05-31.csv", sessions)
    nights.rows("_network/doses_2026-05-31.csv", doses)
    nights.rows("_network/outcomes_2026-05-31.csv", scores)
    nights.rows("_network/waivers_2026-05-31.csv", [
        {"clinic_id": clinic, "waiver_id": text, "subject_id": text, "rule_id": "time",
         "reason": text, "approved_by": text, "approved_on": "2026-05-01"}
        for clinic, text in zip(names, TEXTS, strict=True)
    ])  # fmt: skip
    rules = "".join(
        f"  - {{id: r{at}, title: {escaped(text)}, kind: value, severity: minor, tier: T4, "
        "expr: dose_mg, max: 1}\n"
        for at, text in enumerate(clean)
        if text.isprintable()
    )
    nights.write_protocol(
        "texts.yaml",
        f"protocol: texts\nversion: 1.0.0\ntitle: {escaped(MARKUP[0])}\n"
        "effective: {from: 2020-01-01}\njudges: sessions\ndrug: ketamine\n"
        f"programs: [iv_ketamine]\napproved_by: {escaped(MARKUP[2])}\nrules:\n{rules}",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.load.validate", lambda *_: [])
        nights.publish()
    with duckdb.connect(str(nights.current / "results.duckdb"), read_only=True) as db:
        write_external(db, nights.settings.publish / "external", 2)
    return nights


def test_all_texts_reach_the_published_run(published: Nights) -> None:
    found = {name for (name,) in published.read("SELECT name FROM marts.clinics")}
    assert set(TEXTS) <= found
    sessions = {name for (name,) in published.read("SELECT subject_id FROM marts.findings")}
    assert set(TEXTS) <= sessions


def test_no_page_obeys_them(published: Nights) -> None:
    pages = sorted(published.settings.publish.rglob("*.html"))
    assert len(pages) >= 2
    shown = ""
    for path in pages:
        page = Page(path.read_text(encoding="utf-8"))
        assert page.obeyed == [], path
        shown += page.shown
    for text in MARKUP:
        assert " ".join(text.split()) in " ".join(shown.split()), text


def test_no_cell_of_a_csv_begins_a_formula(published: Nights) -> None:
    files = sorted(published.settings.publish.rglob("*.csv"))
    assert files
    for path in files:
        with path.open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert cells
        assert [c for c in cells if re.match(r"[\t\r\n]|\s*[=+\-@＝＋－＠]", c)] == [], path


def test_no_workbook_has_a_formula_of_the_data(published: Nights) -> None:
    for path in published.settings.publish.rglob("*.xlsx"):
        with zipfile.ZipFile(path) as book:
            for name in book.namelist():
                text = book.read(name).decode("utf-8", "replace")
                formulas = re.findall(r"<f[ >].*?</f>", text)
                assert [f for f in formulas if "1+1" in f or "cmd" in f or "127.0" in f] == []


@pytest.mark.parametrize("at", range(len(FORMULAS)))
def test_text_that_could_begin_a_formula_is_made_inert(at: int, tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", [FORMULAS[at]], [[FORMULAS[at]], [-5], [None], ["a=b"]])
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        heading, *cells = csv.reader(file)
    assert heading == [f"'{FORMULAS[at]}"]
    assert cells == [[f"'{FORMULAS[at]}"], ["-5"], [""], ["a=b"]]
    assert inert(inert(FORMULAS[at])) == inert(FORMULAS[at])


@pytest.mark.parametrize("cell", ["\tx", "\rx", "\nx"])
def test_text_that_begins_with_a_break_is_made_inert(cell: str) -> None:
    """A spreadsheet may take what follows for a cell of its own."""
    assert inert(cell) == f"'{cell}"
    assert inert(cell[1:]) == "x"
