"""The definitions, as HTML for the site: the same texts as in docs, since the site opens without
the web."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup


class Text(NamedTuple):
    """One text: the anchor it stands under, its title, and the rest as HTML."""

    anchor: str
    title: str
    html: Markup


def texts() -> list[Text]:
    """The general text first, then the others by name. Links stay where they lead within the page;
    others, to documents that are not here, become plain words."""
    folder = _folder()
    paths = [folder / "definitions.md", *sorted((folder / "definitions").glob("*.md"))]
    anchors = {path.stem for path in paths}
    return [_text(path, anchors) for path in paths]


def _folder() -> Path:
    """Packaged beside this file; in a checkout they are those of docs."""
    packaged = Path(str(files("flows.reports"))) / "texts"
    if packaged.is_dir():
        return packaged
    return Path(__file__).parents[2] / "docs" / "reference"


def _text(path: Path, anchors: set[str]) -> Text:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(path.read_text(encoding="utf-8"))
    title = tokens[1].content
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{int(token.tag[1]) + 1}"
        elif token.type == "th_open":
            token.attrSet("scope", "col")
        elif token.type == "inline" and token.children:
            token.children = _relinked(token.children, anchors)
    html = parser.renderer.render(tokens[3:], parser.options, {})
    label = f"Table of {title.lower()}"
    html = html.replace(
        "<table>", f'<div class="wide" role="group" tabindex="0" aria-label="{label}"><table>'
    ).replace("</table>", "</table></div>")
    return Text(path.stem, title, Markup(html))  # noqa: S704  (our own texts, raw HTML is off)


def _relinked(children: list[Token], anchors: set[str]) -> list[Token]:
    kept, dropped = [], 0
    for token in children:
        if token.type == "link_open":
            target = re.search(r"([\w-]+)\.md(?:#.*)?$", str(token.attrGet("href")))
            if target is None or target[1] not in anchors:
                dropped += 1
                continue
            token.attrSet("href", f"#{target[1]}")
        elif token.type == "link_close" and dropped:
            dropped -= 1
            continue
        kept.append(token)
    return kept
