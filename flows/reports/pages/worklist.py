"""Everything that can still be met, soonest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.reports.pages.front import worklist

if TYPE_CHECKING:
    from flows.reports.site import Site

MOST = 1000


def write(site: Site) -> None:
    """Write `worklist.html`."""
    site.write("worklist.html", "worklist.html.j2", worklist=worklist(site, MOST), most=MOST)
