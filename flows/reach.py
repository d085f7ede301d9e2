"""Whose verdicts a row can change: the judged rows in whose rules' windows its event may lie.

A window that hangs on what the judged row's own columns don't say is taken as open: rather judge a
row too many. A session without a start of its own may begin with any of its doses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from checks.contract import contract, contracts
from flows.arrivals import event_at, whose
from flows.evidence import linked_parts
from flows.sources import identifier, quoted
from flows.warehouse import Warehouse
from protocols.durations import Bound, Length, Span
from protocols.evaluate import SUBJECT_KINDS
from protocols.judged import IDS
from protocols.model import Judges, Linked, Protocol, ResponseRule, Rule, Then, Trigger
from protocols.model import Link as By
from protocols.necessary import Said, necessary_texts
from protocols.scope import PEOPLE

STALE_SUBJECTS = "stale_subjects"
# A calendar day begins at the clinic's midnight, up to a day from Greenwich's, and so does a date.
_SLACK = "INTERVAL 2 DAY"
_DAY = "epoch_us({}) // 86400000000"
_NOT_AFTER_THE_START = ("course_started_at", "previous_started_at")
# Between the session's earliest and latest dose of any drug.
_DOSE_ANCHORS = ("first_dose_at", "last_dose_at")


@dataclass(frozen=True)
class Reach:
    """Rows of `feed` that a rule on rows of `judges` looks at, linked `by` session, patient or
    clinic; a bound that is None is open; an answer may come `within` a time after the end; no row
    counts that does not say one of the texts in `said`."""

    judges: Judges
    feed: str
    by: By
    start: Bound | None = None
    end: Bound | None = None
    within: Length | None = None
    said: Said = ()


def reaches(protocols: Iterable[Protocol]) -> list[Reach]:
    """Every way in which the protocols' rules look at a feed, each once."""
    found: dict[Reach, None] = {}
    for protocol in protocols:
        for rule in protocol.rules:
            for part in linked_parts(protocol, rule):
                found[_reach(protocol.judges, rule, part)] = None
    return list(found)


def _reach(judges: Judges, rule: Rule, part: Linked | Then) -> Reach:
    window, within = None, None
    asked = [part.where] if isinstance(part, Trigger | Then) else []
    if isinstance(part, Linked):
        window, asked = part.window, [*asked, part.among]
    elif isinstance(rule, ResponseRule):
        window, within = rule.trigger.window, part.within
    held = contract(part.of)
    texts = {column.name for column in held.columns if column.type == "text"}
    said = [necessary for text in asked for necessary in necessary_texts(text, texts)]
    ends = _ends(judges, window) if window else (None, None)
    return Reach(judges, part.of, part.by, *ends, within, tuple(said))


def _ends(judges: Judges, window: Span) -> tuple[Bound | None, Bound | None]:
    own = set(contract(judges).names)
    if judges == "sessions":
        own.update(_DOSE_ANCHORS)
    start, end = window.start, window.end
    if end is not None and end.anchor in _NOT_AFTER_THE_START:
        end = Bound("started_at", end.sign, end.step)
    return (
        start if start is not None and start.anchor in own else None,
        end if end is not None and end.anchor in own else None,
    )


def spread_staff(warehouse: Warehouse) -> None:
    """Add to `reached` every row that names a person whose row was reached."""
    named = {key for people in PEOPLE.values() for key in people.values()} | {"staff_id"}
    for feed, held in contracts().items():
        for column in sorted(named.intersection(held.names)) if feed != "staff" else ():
            warehouse.db.execute(
                f"INSERT INTO reached BY NAME SELECT '{feed}' AS feed, {whose(held)}, "
                f"{event_at(held)} AS event_at FROM facts.{feed} f "
                "LEFT JOIN facts.clinics z ON z.clinic_id = f.clinic_id "
                "JOIN (SELECT DISTINCT clinic_id, key_id FROM reached WHERE feed = 'staff') r "
                f"ON r.clinic_id = f.clinic_id AND r.key_id = f.{column}"
            )


def spread_doses(warehouse: Warehouse) -> None:
    """Add to `reached` the sessions of reached doses, which make them count and may be their start,
    and when sessions began that don't say so themselves.
    """
    warehouse.db.execute(
        "INSERT INTO reached BY NAME SELECT 'sessions' AS feed, s.clinic_id, "
        "s.session_id AS key_id, s.session_id, s.patient_id, "
        "unnest([s.started_at, r.event_at, d.started_at]) AS event_at "
        "FROM reached r JOIN facts.sessions s "
        "ON s.clinic_id = r.clinic_id AND s.session_id = r.session_id "
        "LEFT JOIN facts.doses d ON d.clinic_id = s.clinic_id AND d.session_id = s.session_id "
        "AND s.started_at IS NULL "
        "WHERE r.feed = 'doses' OR (r.feed = 'sessions' AND r.event_at IS NULL)"
    )


def find_subjects(warehouse: Warehouse, ways: Sequence[Reach], judged: Iterable[Judges]) -> None:
    """Make `stale_subjects` (clinic_id, subject_kind, subject_id) of `reached` and of
    `whole_clinics`.
    """
    warehouse.db.execute(
        f"CREATE OR REPLACE TEMP TABLE {STALE_SUBJECTS} "
        "(clinic_id VARCHAR, subject_kind VARCHAR, subject_id VARCHAR)"
    )
    _keep_texts(warehouse, ways)
    for judges in sorted(set(judged)):
        own = [way for way in ways if way.judges == judges]
        _add(warehouse, judges, "SELECT clinic_id, key_id FROM reached WHERE feed = $judges")
        _add(warehouse, judges, f"SELECT clinic_id, {IDS[judges]} FROM facts.{judges} "
             "WHERE clinic_id IN (FROM whole_clinics)")  # fmt: skip
        _know(warehouse, judges, _of_patients(judges))
        _add(warehouse, judges, _joined("r.patient_id = k.patient_id AND r.feed = 'patients'"))
        if judges == "sessions":
            _add(warehouse, judges, "SELECT clinic_id, session_id FROM reached "
                 "WHERE feed = 'doses' AND session_id IS NOT NULL")  # fmt: skip
            _add(warehouse, judges, _joined(_FROM_THEN_ON.format("started_at")))
        if judges == "dispenses":
            _add(warehouse, judges, _joined(_FROM_THEN_ON.format("dispensed_at")))
        for way in own:
            if way.by != "clinic":
                _add(warehouse, judges, _reached(way))
        if of_clinic := [way for way in own if way.by == "clinic"]:
            _know(warehouse, judges, _of_clinics(of_clinic))
            for way in of_clinic:
                _add(warehouse, judges, _reached(way))
        warehouse.db.execute("DROP TABLE known")


def _keep_texts(warehouse: Warehouse, ways: Sequence[Reach]) -> None:
    """`texts_of_<feed>`: what the versions of reached rows say in the columns that ways ask for."""
    for feed in sorted({way.feed for way in ways if way.said}):
        held = contract(feed)
        texts = {identifier(column.name) for column in held.columns if column.type == "text"}
        columns = ", ".join(f"f.{name}" for name in sorted({"clinic_id", *texts}))
        versions = " UNION ALL ".join(
            f"SELECT {columns} FROM facts.{table} f SEMI JOIN (FROM reached WHERE feed = '{feed}') "
            f"r ON r.clinic_id = f.clinic_id AND r.key_id = f.{identifier(held.id_column)}"
            for table in (feed, f"{feed}_history")
        )
        warehouse.db.execute(f"CREATE OR REPLACE TEMP TABLE texts_of_{feed} AS {versions}")


# Courses, intervals and counts of a patient's sessions, or dispenses, change from one's time on.
_FROM_THEN_ON = (
    "r.patient_id = k.patient_id AND r.feed = $judges "
    "AND (NOT r.timed OR coalesce(k.{} >= r.event_at, r.event_at IS NOT NULL))"
)


def _of_patients(judges: Judges) -> str:
    """Judged rows that a row of their patient or their session may concern."""
    own = [name for name in ("patient_id", "session_id") if name in contract(judges).names]
    return " UNION ".join(
        f"{{0}} (f.clinic_id, f.{name}) IN (SELECT clinic_id, {name} FROM reached)" for name in own
    )


def _of_clinics(ways: Sequence[Reach]) -> str:
    """Judged rows that a row of their clinic may concern: none whose windows all end before the
    first, or begin after the last."""
    feeds = f"feed IN ({', '.join(map(quoted, sorted({way.feed for way in ways})))}) AND NOT lost"
    clinics = f"{{0}} f.clinic_id IN (SELECT clinic_id FROM reached WHERE {feeds})"
    bounds = [bound for way in ways for bound in (way.start, way.end)]
    columns = {bound.anchor for bound in bounds if bound is not None}
    if None in bounds or columns.intersection(_DOSE_ANCHORS):
        return clinics
    steps = [bound.step for bound in bounds if bound] + [way.within for way in ways if way.within]
    reach = " + ".join(["INTERVAL 4 DAY", *(_interval(step) for step in steps)])
    ever = f"(SELECT {{}}(event_at) FROM reached WHERE {feeds})"
    near = [
        f"f.{identifier(column)}::TIMESTAMPTZ BETWEEN {ever.format('min')} - ({reach}) "
        f"AND {ever.format('max')} + ({reach})"
        for column in sorted(columns)
    ]
    # One without a start begins with a dose.
    near += [f"f.{identifier(column)} IS NULL" for column in sorted(columns)]
    near.append(f"EXISTS (FROM reached WHERE {feeds} AND NOT timed)")
    return f"{clinics} AND ({' OR '.join(near)})"


def _know(warehouse: Warehouse, judges: Judges, chosen: str) -> None:
    """`known`: rows that may be judged, of those `chosen`, with every moment that windows name."""
    held = contract(judges)
    session = "f.session_id" if "session_id" in held.names else "NULL::VARCHAR"
    moments = [
        f"coalesce(f.started_at, d.started_at)::TIMESTAMPTZ AS {identifier(c.name)}"
        if (judges, c.name) == ("sessions", "started_at")
        else f"f.{identifier(c.name)}::TIMESTAMPTZ AS {identifier(c.name)}"
        for c in held.columns
        if c.type in ("timestamp", "date")
    ]
    if judges == "sessions":
        moments += ["e.earliest_dose_at", "e.latest_dose_at"]
    times = ", ".join(moments)
    key = IDS[judges]
    mine = f"SELECT f.clinic_id, f.{key} FROM facts.{judges} f WHERE"
    warehouse.db.execute(
        "CREATE OR REPLACE TEMP TABLE known AS "
        f"WITH chosen AS ({chosen.format(mine)}) "
        f"SELECT f.clinic_id, f.{key} AS subject_id, f.patient_id, {session} AS session_id, "
        f"{times} FROM facts.{judges} f "
        f"SEMI JOIN chosen c ON c.clinic_id = f.clinic_id AND c.{key} = f.{key} "
        f"{_DOSED if judges == 'sessions' else ''}"
    )


_DOSED = (
    "LEFT JOIN (SELECT clinic_id, session_id, started_at FROM facts.doses SEMI JOIN "
    "(FROM facts.sessions WHERE started_at IS NULL) USING (clinic_id, session_id)) d "
    "ON d.clinic_id = f.clinic_id AND d.session_id = f.session_id "
    "LEFT JOIN (SELECT clinic_id, session_id, min(started_at) AS earliest_dose_at, "
    "max(greatest(started_at, ended_at)) AS latest_dose_at FROM facts.doses "
    "SEMI JOIN chosen USING (clinic_id, session_id) GROUP BY ALL) e "
    "ON e.clinic_id = f.clinic_id AND e.session_id = f.session_id"
)


def _joined(on: str, rows: str = "reached") -> str:
    return (
        "SELECT DISTINCT k.clinic_id, k.subject_id FROM known k "
        f"JOIN {rows} r ON r.clinic_id = k.clinic_id AND {on}"
    )


def _reached(way: Reach) -> str:
    """Judged rows `k` that look at a reached row `r`."""
    same = {
        "session": "r.session_id = k.session_id", "patient": "r.patient_id = k.patient_id",
        "clinic": "true",
    }[way.by]  # fmt: skip
    kept = " AND NOT lost" if way.by == "clinic" else ""
    rows = f"(FROM reached WHERE feed = '{way.feed}'{kept}{_says(way)})"
    start, end = _limit(way, way.start, "-"), _limit(way, way.end, "+")
    if start is None and end is None:
        return _joined(same, rows)
    if way.by == "clinic" and start is not None and end is not None:
        return f"{_joined('NOT r.timed', rows)} UNION {_of_the_same_day(rows, start, end)}"
    after = "true" if start is None else f"r.event_at >= {start}"
    before = "true" if end is None else f"r.event_at <= {end}"
    return _joined(f"{same} AND (NOT r.timed OR coalesce({after} AND {before}, false))", rows)


def _says(way: Reach) -> str:
    """A row that is `timed` has its versions in facts; of others nothing is known."""
    if not way.said:
        return ""
    key = identifier(contract(way.feed).id_column)
    asked = " AND ".join(
        f"{identifier(column)} IN ({', '.join(map(quoted, texts))})" if texts else "false"
        for column, texts in way.said
    )
    return (
        " AND (NOT timed OR (clinic_id, key_id) IN "
        f"(SELECT clinic_id, {key} FROM texts_of_{way.feed} WHERE {asked}))"
    )


def _of_the_same_day(rows: str, start: str, end: str) -> str:
    """A clinic's rows meet by days: all pairs would be the square of a night's."""
    ever = f"(SELECT {{}}(event_at) FROM {rows})"
    return (
        "SELECT DISTINCT k.clinic_id, k.subject_id FROM (SELECT clinic_id, subject_id, "
        f"{start} AS opens, {end} AS closes, "
        f"unnest(range({_DAY.format('opens')}, {_DAY.format('closes')} + 1)) AS day FROM known k "
        f"WHERE opens <= {ever.format('max')} AND closes >= {ever.format('min')}) k "
        "JOIN (SELECT DISTINCT clinic_id, event_at, "
        f"{_DAY.format('event_at')} AS day FROM {rows} WHERE timed) r "
        "ON r.clinic_id = k.clinic_id AND r.day = k.day AND r.event_at BETWEEN opens AND closes"
    )


def _limit(way: Reach, bound: Bound | None, to: str) -> str | None:
    if bound is None:
        return None
    column = bound.anchor
    exact = column in _DOSE_ANCHORS or contract(way.judges).column(column).type == "timestamp"
    if column in _DOSE_ANCHORS:
        column = "earliest_dose_at" if to == "-" else "latest_dose_at"
    moment = f"k.{identifier(column)} {'-' if bound.sign < 0 else '+'} {_interval(bound.step)}"
    steps = [bound.step]
    if way.within is not None and to == "+":
        moment += f" + {_interval(way.within)}"
        steps.append(way.within)
    if exact and all(step.calendar_days is None for step in steps):
        return f"({moment})"
    return f"({moment} {to} {_SLACK})"


def _interval(step: Length) -> str:
    if step.calendar_days is not None:
        return f"to_days({step.calendar_days})"
    return f"to_microseconds({step.microseconds})"


def _add(warehouse: Warehouse, judges: Judges, select: str) -> None:
    parameters = {"kind": SUBJECT_KINDS[judges]}
    if "$judges" in select:
        parameters["judges"] = judges
    warehouse.db.execute(
        f"INSERT INTO {STALE_SUBJECTS} SELECT s.clinic_id, $kind, s.subject_id "
        f"FROM ({select}) s (clinic_id, subject_id)",
        parameters,
    )
