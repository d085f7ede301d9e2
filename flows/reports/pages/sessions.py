"""A page for each chosen session: its picture, every verdict with its reason and source, and how
verdicts changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.reports.links import page_of
from flows.reports.queries import Row, grouped, rows
from flows.reports.timeline import LEFT, RIGHT, WIDTH, timeline
from flows.reports.words import counted

if TYPE_CHECKING:
    from flows.reports.site import Site

_KEY = ("clinic_id", "session_id")
_STATUSES = ("not_met", "pending", "not_evaluable", "met", "excluded")
_VERDICTS = (
    "SELECT s.*, r.title, r.severity, r.tier, r.citation, r.asks, f.reason, f.due_at "
    "FROM marts.session_rules s JOIN marts.rules r USING (protocol, protocol_version, rule_id) "
    "LEFT JOIN marts.findings f ON f.subject_kind = 'session' AND f.clinic_id = s.clinic_id "
    "AND f.subject_id = s.session_id AND f.protocol = s.protocol "
    "AND f.protocol_version = s.protocol_version AND f.rule_id = s.rule_id "
    "ORDER BY s.clinic_id, s.session_id, "
    "list_position(['critical', 'major', 'minor'], r.severity), s.protocol, s.rule_id"
)
_CHANGES = (
    "SELECT c.*, c.subject_id AS session_id, r.title FROM ops.verdict_changes c "
    "SEMI JOIN marts.session_pages p ON p.clinic_id = c.clinic_id AND p.session_id = c.subject_id "
    "LEFT JOIN newest_rules r USING (protocol, rule_id) WHERE c.subject_kind = 'session' "
    "ORDER BY c.changed_at, c.protocol, c.rule_id"
)


def write(site: Site) -> None:
    """Write one page a session."""
    events = grouped(rows(site.db, "SELECT * FROM marts.session_events "
                          "ORDER BY happened_at, feed, kind, value, word"), *_KEY)  # fmt: skip
    verdicts = grouped(rows(site.db, _VERDICTS), *_KEY)
    changes = grouped(rows(site.db, _CHANGES), *_KEY)
    limits = grouped(
        rows(site.db, "SELECT * FROM marts.vital_limits ORDER BY ALL"), "protocol",
        "protocol_version",
    )  # fmt: skip
    for session in rows(site.db, "SELECT * FROM marts.session_pages ORDER BY ALL"):
        key = (session["clinic_id"], session["session_id"])
        mine = verdicts[key]
        held = {(v["protocol"], v["protocol_version"]) for v in mine}
        zone = site.zone(session["clinic_id"])
        picture = timeline(
            events[key], mine, [row for version in sorted(held) for row in limits[version]], zone
        )
        clinic = (page_of("clinics", session["clinic_id"]), site.name(session["clinic_id"]))
        site.write(
            page_of("sessions", *key),
            "session.html.j2",
            trail=(("index.html", "Overview"), ("clinics.html", "Clinics"), clinic),
            session=session,
            zone=zone,
            t=picture,
            label=_label(session, mine, events[key]),
            width=WIDTH,
            left=LEFT,
            right=RIGHT,
            verdicts={status: [v for v in mine if v["status"] == status] for status in _STATUSES},
            events=events[key],
            changes=changes[key],
        )


def _label(session: Row, verdicts: list[Row], events: list[Row]) -> str:
    """The picture in one sentence; its numbers are in the table below it."""
    missed = [v["title"] for v in verdicts if v["status"] == "not_met"]
    readings = len({e["happened_at"] for e in events if e["feed"] == "vitals"})
    doses = sum(e["feed"] == "doses" for e in events)
    told = f"Not met: {'; '.join(missed)}." if missed else "Every rule that was judged was met."
    return (
        f"Timeline of session {session['session_id']}: {counted(doses, 'dose')}, "
        f"{counted(readings, 'time')} with vital signs. {told} The table below has the numbers."
    )
