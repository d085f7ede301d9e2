"""The site in a real browser: from page one to a session and back, on a phone, for everybody."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pypdf import PdfReader

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update",
             "--disable-sync"]  # fmt: skip
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"no Chromium at {CHROMIUM}; `apt-get install chromium`"
)
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
# An A4 sheet less the margins of site.css, at 96 to the inch.
PAPER = {"width": 688, "height": 1017}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, published: Path) -> Iterator[Page]:
    """Page one, without scripts; whatever asks for the web fails the test."""
    context = browser.new_context(viewport=DESK, java_script_enabled=False)
    opened = context.new_page()
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(first_page(published))
    yield opened
    assert all(url.startswith("file://") for url in asked)
    context.close()


def first_page(published: Path) -> str:
    return (published / "current" / "report" / "index.html").resolve().as_uri()


def page_types(published: Path) -> list[Path]:
    """One page of each kind: all at the top, the longest of each folder, and the restricted one."""
    report = (published / "current" / "report").resolve()
    folders = [folder for folder in report.iterdir() if folder.is_dir()]
    longest = [max(folder.iterdir(), key=lambda path: path.stat().st_size) for folder in folders]
    restricted = report.parent / "restricted" / "index.html"
    return [*sorted(report.glob("*.html")), *sorted(longest), restricted]


def test_from_page_one_to_a_sessions_timeline_and_back(page: Page) -> None:
    first = page.url
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Clinics").click()
    page.get_by_role("rowheader").get_by_role("link").first.click()
    clinic = page.url
    page.get_by_role("group", name="What was not met").locator("a[href*='sessions/']").first.click()
    assert "/sessions/" in page.url
    assert page.get_by_role("img", name="Timeline of session").is_visible()
    page.get_by_role("navigation", name="Where this page is").get_by_role("link").last.click()
    assert page.url == clinic
    page.get_by_role("link", name="Overview").first.click()
    assert page.url == first


def test_where_to_look_first_leads_to_the_rule_and_its_sessions(page: Page) -> None:
    title = page.locator("ol.first a[href*='rules/']").first
    words = title.inner_text()
    title.click()
    assert page.get_by_role("heading", level=1).inner_text() == words
    page.locator("a[href*='sessions/']").first.click()
    assert page.get_by_role("heading", level=1).inner_text().startswith("Session ")


def test_the_keyboard_reaches_the_content_first(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


def test_no_page_type_is_barred_to_anybody(browser: Browser, published: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport=DESK, bypass_csp=True)
    page, axe = context.new_page(), Axe()
    page.set_content("<img src='x.png'>")
    assert axe.run(page).violations_count  # what is broken is seen
    found = {}
    for path in page_types(published):
        page.goto(path.as_uri())
        told = axe.run(page, options={"resultTypes": ["violations"]})
        if told.violations_count:
            found[path.name] = [(v["id"], v["nodes"][0]["html"][:120])
                                for v in told.response["violations"]]  # fmt: skip
    context.close()
    assert found == {}


def test_nothing_scrolls_sideways_on_a_phone(browser: Browser, published: Path) -> None:
    context = browser.new_context(viewport=PHONE, bypass_csp=True)
    page = context.new_page()
    wide = {}
    for path in page_types(published):
        page.goto(path.as_uri())
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            wide[path.name] = width
    context.close()
    assert wide == {}


def test_paper_has_no_navigation_and_cuts_nothing_off(browser: Browser, published: Path) -> None:
    context = browser.new_context(viewport=PAPER, bypass_csp=True)
    page = context.new_page()
    page.emulate_media(media="print")
    wide = {}
    for path in page_types(published):
        page.goto(path.as_uri())
        assert not page.get_by_role("navigation", name="Pages").is_visible()
        assert page.get_by_role("heading", level=1).is_visible()
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > PAPER["width"]:
            wide[path.name] = width
    context.close()
    assert wide == {}


def test_no_heading_is_the_last_line_of_a_sheet(browser: Browser, published: Path) -> None:
    """Headings and the pictures below them stay together: of the PDF of the trends, no page ends
    with the title of a chart."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((published / "current" / "report" / "trends.html").resolve().as_uri())
    titles = {title.inner_text().strip() for title in page.get_by_role("heading").all()}
    sheets = PdfReader(io.BytesIO(page.pdf(format="Letter"))).pages
    context.close()
    last = [lines[-1] for sheet in sheets if (lines := sheet.extract_text().strip().splitlines())]
    assert len(last) > 1
    assert not titles & set(last)
