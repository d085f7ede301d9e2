"""A page of the site as its readers' programs take it in: links, headings, tables, text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "img", "br", "hr", "input"}


@dataclass
class Parsed(HTMLParser):
    """What a page holds. `asks_for`: whatever a browser would load by itself."""

    links: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    headings: list[int] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    unscoped: int = 0
    asks_for: list[str] = field(default_factory=list)
    text: str = ""
    csp: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(int(tag[1]))
        if tag == "th" and "scope" not in given:
            self.unscoped += 1
        if given.get("http-equiv") == "Content-Security-Policy":
            self.csp = str(given["content"])
        for name in ("src", "srcset", "data", "xlink:href"):
            if given.get(name):
                self.asks_for.append(str(given[name]))
        if tag == "link":
            self.asks_for.append(str(given.get("href")))

    handle_startendtag = handle_starttag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(path: Path) -> Parsed:
    page = Parsed()
    page.feed(path.read_text(encoding="utf-8"))
    return page
