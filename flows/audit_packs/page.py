"""The pages of a bundle, to read and to print: no scripts, nothing from the web."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from flows.audit_packs.bundle import Bundle
    from flows.audit_packs.worksheets import Chart

SHOWN_ROWS = 200
_SHORT = 24  # letters
_WORDS = {
    "rems": "REMS", "dea": "DEA", "spo2": "SpO2", "mmhg": "mmHg", "pct": "%", "moaas": "MOAA/S",
    "cadss": "CADSS", "sha256": "SHA-256",
}  # fmt: skip


def index_page(bundle: Bundle, made_at: datetime) -> str:
    """A bundle's first page: what it is of, and each table's first SHOWN_ROWS rows."""
    return _rendered(
        "pack.html.j2", bundle=bundle, scope=bundle.scope, made_at=made_at, most=SHOWN_ROWS
    )


def worksheets_page(title: str, charts: Sequence[Chart], about: str) -> str:
    """A worksheet a chart, each on a page of its own when printed."""
    return _rendered("worksheets.html.j2", title=title, charts=charts, about=about)


def _rendered(template: str, **told: Any) -> str:
    environment = Environment(
        loader=PackageLoader("flows.audit_packs"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"cell": _cell, "heading": _heading, "look": _look, "utc": _utc}
    return environment.get_template(template).render(**told)


def _cell(value: object) -> str:
    """A cell as it is read: nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1 else f"{value:,.2f}".rstrip("0").rstrip(".")
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def _look(value: object) -> str:
    """A cell's class: numbers stand to the right, short texts are not broken."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "n"
    return "short" if len(str(value)) <= _SHORT else ""


def _heading(column: str) -> str:
    words = " ".join(_WORDS.get(word, word) for word in column.split("_"))
    return words[:1].upper() + words[1:]


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
