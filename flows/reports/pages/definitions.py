"""What the words and figures of the report mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.reports.definitions import texts

if TYPE_CHECKING:
    from flows.reports.site import Site


def write(site: Site) -> None:
    """Write `definitions.html`."""
    site.write("definitions.html", "definitions.html.j2", texts=texts())
