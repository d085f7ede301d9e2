"""The site being written: its templates, its folder, and what every page knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import pass_context
from markupsafe import Markup

from flows.reports.links import link, page_of
from flows.reports.periods import rule_months
from flows.reports.queries import Row, last_run, protocols, rows
from flows.reports.standing import clinic_rows, recent
from flows.reports.templating import environment
from flows.reports.trends import Charts, network_chart, protocol_charts
from flows.reports.verdicts import targeted
from flows.reports.words import EMPTY

if TYPE_CHECKING:
    import duckdb
    from jinja2 import Environment
    from jinja2.runtime import Context

    from flows.reports.charts import Chart

# The pages that every page links to, in this order: file and name.
NAVIGATION = (
    ("index.html", "Overview"), ("trends.html", "Trends"), ("clinics.html", "Clinics"),
    ("protocols.html", "Protocols"), ("risk.html", "Risk"), ("outcomes.html", "Outcomes"),
    ("cost.html", "Cost"), ("operations.html", "Operations"), ("quality.html", "Data quality"),
    ("definitions.html", "Definitions"),
)  # fmt: skip


@dataclass
class Site:
    """Pages are written one by one from a published run's tables (schemas marts and ops)."""

    db: duckdb.DuckDBPyConnection
    folder: Path
    scope: str = ""
    navigation: Sequence[tuple[str, str]] = NAVIGATION

    def write(self, path: str, template: str, **values: Any) -> None:
        """Write one page. `trail` may name the pages above it: (path, name) from the top."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = self._environment.get_template(template).render(
            root="../" * path.count("/"), path=path, run=self.run, scope=self.scope,
            navigation=self.navigation, **{"trail": (), **values},
        )  # fmt: skip
        target.write_text(text, encoding="utf-8")

    @cached_property
    def run(self) -> Row:
        """The run that the tables are of."""
        return last_run(self.db)

    @cached_property
    def clinics(self) -> dict[str, Row]:
        """Clinics by id, in order of their names."""
        found = rows(self.db, "SELECT * FROM marts.clinics ORDER BY name, clinic_id")
        return {row["clinic_id"]: row for row in found}

    @cached_property
    def sessions(self) -> set[tuple[str, str]]:
        """Clinic and session of those that have a page."""
        found = self.db.execute("SELECT clinic_id, session_id FROM marts.session_pages")
        return {(clinic, session) for clinic, session in found.fetchall()}

    @cached_property
    def since(self) -> date | None:
        """The first day that clinics are judged from."""
        return recent(self.db)

    @cached_property
    def targeted(self) -> list[Row]:
        """Each clinic's rules that have a target, since then."""
        return targeted(self.db, self.since)

    @cached_property
    def standing(self) -> list[Row]:
        """How each clinic stands since then, in order of their names."""
        return clinic_rows(self.db, self.clinics, self.targeted, self.since)

    @cached_property
    def rule_months(self) -> Mapping[tuple[Any, ...], list[Row]]:
        """The months of every rule, by protocol and rule."""
        return rule_months(self.db)

    @cached_property
    def network_chart(self) -> Chart:
        """Compliant sessions over time: on page one and among the trends."""
        return network_chart(self.db)

    @cached_property
    def protocol_charts(self) -> Charts:
        """Each protocol over time, by its id: on its page and among the trends."""
        return protocol_charts(self.db, self.protocol_titles)

    @cached_property
    def protocol_titles(self) -> dict[str, str]:
        """What each protocol's newest version is called."""
        return {row["protocol"]: row["title"] for row in protocols(self.db)}

    def by_name(self, found: Iterable[Row]) -> list[Row]:
        """Rows in the order of their clinics' names; those of no known clinic first."""
        places = {clinic_id: at for at, clinic_id in enumerate(self.clinics)}
        return sorted(found, key=lambda row: places.get(row["clinic_id"], -1))

    def name(self, clinic_id: str) -> str:
        """A clinic's name; its id where nobody delivered one."""
        known = self.clinics.get(clinic_id)
        return known["name"] if known else clinic_id

    def protocol_title(self, protocol: str) -> str:
        """What a protocol is called; its id where nothing was judged by it."""
        return self.protocol_titles.get(protocol, protocol)

    def zone(self, clinic_id: str) -> str:
        """A clinic's time zone."""
        known = self.clinics.get(clinic_id)
        return known["time_zone"] if known else "UTC"

    @cached_property
    def _environment(self) -> Environment:
        made = environment()
        made.globals |= {
            "page_of": page_of,
            "clinic_name": self.name,
            "zone_of": self.zone,
            "protocol_title": self.protocol_title,
            "link_to_clinic": self._link_to_clinic,
            "link_to_protocol": self._link_to_protocol,
            "link_to_rule": _link_to_rule,
            "link_to_session": self._link_to_session,
        }
        return made

    @pass_context
    def _link_to_clinic(self, page: Context, clinic_id: str) -> Markup:
        return link(page["root"], page_of("clinics", clinic_id), self.name(clinic_id))

    @pass_context
    def _link_to_protocol(self, page: Context, protocol: str) -> Markup:
        title = self.protocol_title(protocol)
        return link(page["root"], page_of("protocols", protocol), title)

    @pass_context
    def _link_to_session(self, page: Context, clinic_id: str, session_id: str | None) -> str:
        """A session, linked where it has a page."""
        if session_id is None:
            return EMPTY
        if (clinic_id, session_id) not in self.sessions:
            return session_id
        return link(page["root"], page_of("sessions", clinic_id, session_id), session_id)


@pass_context
def _link_to_rule(page: Context, protocol: str, rule_id: str, title: str) -> Markup:
    return link(page["root"], page_of("rules", protocol, rule_id), title)
