"""The history of verdicts: what a run changed, when and why (`ops.verdict_changes`).

Judging calls `set_aside` before it replaces marts, `note_changes` after. Everything is
compared by SQL joins over the narrow verdicts; only what changed is written out in words.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flows import __version__
from flows.arrivals import find_arrivals, find_touched, remember_batches
from flows.evidence import evidence
from flows.runs import Run
from flows.warehouse import Warehouse
from protocols.model import Protocol

IDENTITY = "concat_ws(chr(31), clinic_id, subject_kind, subject_id, protocol, rule_id)"
"""What a verdict is of, whatever run judged it."""

FINDING_ID = f"substr(sha256({IDENTITY}), 1, 20)"
_CLOSED = "status_before NOT IN ('met', 'excluded') AND status_after = 'met'"
_LATE = (
    "format('{} {} after the event', CASE WHEN charted THEN 'charted' ELSE 'delivered' END, CASE "
    "WHEN late_hours < 2 THEN format('{} min', round(late_hours * 60)::BIGINT) "
    "WHEN late_hours < 48 THEN format('{} h', round(late_hours)::BIGINT) "
    "ELSE format('{} days', round(late_hours / 24)::BIGINT) END)"
)
_REMEMBERED = ("subjects", "verdicts", "rules", "protocols")


def set_aside(warehouse: Warehouse, stale: str | None) -> None:
    """Set the marts of the run before aside, as `marts.<table>_before`, within a transaction: all
    of them, or what is there of the subjects in the table `stale`, which is left where it is.
    """
    db = warehouse.db
    if stale is None:
        for table in _REMEMBERED:
            db.execute(f"ALTER TABLE marts.{table} RENAME TO {table}_before")
        return
    db.execute(
        "CREATE TABLE marts.subjects_before AS FROM marts.subjects "
        f"SEMI JOIN {stale} USING (clinic_id, subject_kind, subject_id)"
    )
    db.execute(
        "CREATE TABLE marts.verdicts_before AS FROM marts.verdicts "
        "WHERE subject_no IN (SELECT subject_no FROM marts.subjects_before)"
    )
    for table in ("rules", "protocols"):
        db.execute(f"CREATE TABLE marts.{table}_before AS FROM marts.{table}")


def note_changes(
    warehouse: Warehouse, protocols: Sequence[Protocol], run: Run, first: int, *, touched: bool
) -> None:
    """Write down each verdict that differs from the one set aside, and why; drop the latter.

    Subjects numbered from `first` on were judged by this run; `touched` says whether
    `touched_rows` is there already. A subject (a row under one protocol) that was not judged
    before has no changes.
    """
    db = warehouse.db
    _find_changed(warehouse, first)
    if db.execute("SELECT 1 FROM changed LIMIT 1").fetchone() is not None:
        feeds = _lay_out_evidence(warehouse, protocols)
        if not touched:
            find_touched(warehouse, feeds)
        find_arrivals(warehouse)
        _find_causes(warehouse)
        _write(warehouse, run)
        for table in ("rests_on", "arrivals", "causes"):
            db.execute(f"DROP TABLE {table}")
    for table in ("changed", "touched_rows"):
        db.execute(f"DROP TABLE IF EXISTS {table}")
    for table in _REMEMBERED:
        db.execute(f"DROP TABLE marts.{table}_before")
    remember_batches(warehouse, run)


def _find_changed(warehouse: Warehouse, first: int) -> None:
    """`changed`: verdicts whose status or waived mark differs, side by side, numbered.

    Digests of a subject's verdicts find the few subjects that differ, so that twenty million
    verdicts are added up twice and not joined.
    """
    warehouse.db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE changed AS
        WITH now AS (
            FROM marts.subjects WHERE subject_no >= {first}
        ), pairs AS MATERIALIZED (
            SELECT o.subject_no AS pair, n.subject_no AS new_no
            FROM marts.subjects_before o LEFT JOIN now n
            USING (clinic_id, subject_kind, subject_id, protocol)
        ), ids AS MATERIALIZED (
            SELECT rule_id, (row_number() OVER ())::USMALLINT AS id FROM (
                SELECT rule_id FROM marts.rules_before UNION SELECT rule_id FROM marts.rules)
        ), old_rules AS MATERIALIZED (
            SELECT rule_no, id FROM marts.rules_before JOIN ids USING (rule_id)
        ), new_rules AS MATERIALIZED (
            SELECT rule_no, id FROM marts.rules JOIN ids USING (rule_id)
        ), old_digests AS (
            SELECT subject_no AS pair, bit_xor(hash(id, status, waived)) AS digest
            FROM marts.verdicts_before JOIN old_rules USING (rule_no) GROUP BY ALL
        ), new_digests AS (
            SELECT subject_no AS new_no, bit_xor(hash(id, status, waived)) AS digest
            FROM marts.verdicts JOIN new_rules USING (rule_no)
            WHERE subject_no >= {first} GROUP BY ALL
        ), suspects AS MATERIALIZED (
            SELECT pair, new_no FROM pairs LEFT JOIN old_digests o USING (pair)
            LEFT JOIN new_digests n USING (new_no) WHERE o.digest IS DISTINCT FROM n.digest
        ), old AS (
            SELECT v.subject_no AS pair, r.id, v.status, v.waived
            FROM marts.verdicts_before v JOIN old_rules r USING (rule_no)
            WHERE v.subject_no IN (SELECT pair FROM suspects)
        ), new AS (
            SELECT p.pair, r.id, v.status, v.waived
            FROM marts.verdicts v JOIN new_rules r USING (rule_no)
            JOIN suspects p ON p.new_no = v.subject_no
        ), differing AS (
            SELECT pair, id, o.status AS status_before, n.status AS status_after,
                o.waived AS waived_before, n.waived AS waived_after
            FROM old o FULL JOIN new n USING (pair, id)
            WHERE o.status IS DISTINCT FROM n.status OR o.waived IS DISTINCT FROM n.waived
        )
        SELECT row_number() OVER () AS change_no, s.clinic_id, s.subject_kind, s.subject_id,
            coalesce(n.session_id, s.session_id) AS session_id,
            coalesce(n.patient_id, s.patient_id) AS patient_id,
            coalesce(n.started_at, s.started_at) AS started_at, s.protocol,
            s.protocol_version AS protocol_version_before,
            n.protocol_version AS protocol_version_after, i.rule_id, d.* EXCLUDE (pair, id)
        FROM differing d JOIN ids i USING (id) JOIN pairs p USING (pair)
        JOIN marts.subjects_before s ON s.subject_no = p.pair
        LEFT JOIN now n ON n.subject_no = p.new_no
        """
    )


def _lay_out_evidence(warehouse: Warehouse, protocols: Sequence[Protocol]) -> set[str]:
    """`rests_on`: what each rule rests on; gives the feeds."""
    found = pl.DataFrame(
        [
            (protocol.protocol, protocol.version, rule.id, feed, whose)
            for protocol in protocols
            for rule in protocol.rules
            for feed, whose in evidence(protocol, rule)
        ],
        schema=dict.fromkeys(
            ("protocol", "protocol_version", "rule_id", "feed", "whose"), pl.String
        ),
        orient="row",
    )
    warehouse.db.execute("CREATE OR REPLACE TEMP TABLE rests_on AS SELECT * FROM found")
    return set(found["feed"])


def _find_causes(warehouse: Warehouse) -> None:
    """`causes`: of each change whether rows it rests on were corrected or new, and how late."""
    reaches = "(e.whose <> 'earlier' OR a.{0} <= c.started_at)"
    unstarted = "SELECT clinic_id, session_id FROM facts.sessions WHERE started_at IS NULL"
    warehouse.db.execute(
        "CREATE OR REPLACE TEMP TABLE causes AS SELECT change_no, "
        f"coalesce(bool_or({reaches.format('corrected_from')}) FILTER "
        "(a.corrected_from IS NOT NULL), false) AS corrected, "
        f"coalesce(bool_or({reaches.format('new_from')}) FILTER (a.new_from IS NOT NULL), false) "
        "AS arrived, max(a.late_hours) AS late_hours, arg_max(a.charted, a.late_hours) AS charted "
        "FROM changed c JOIN rests_on e ON e.protocol = c.protocol AND e.rule_id = c.rule_id "
        "AND e.protocol_version = coalesce(c.protocol_version_after, c.protocol_version_before) "
        "JOIN arrivals a ON a.feed = e.feed AND a.clinic_id = c.clinic_id AND a.whose = "
        "CASE e.whose WHEN 'earlier' THEN 'patient' WHEN 'start' THEN 'session' ELSE e.whose END "
        "AND a.id = CASE a.whose WHEN 'row' THEN c.subject_id WHEN 'session' THEN c.session_id "
        "WHEN 'patient' THEN c.patient_id ELSE c.clinic_id END "
        f"WHERE e.whose <> 'start' OR (c.clinic_id, c.session_id) IN ({unstarted}) GROUP BY ALL"
    )


def _write(warehouse: Warehouse, run: Run) -> None:
    """`changed` and `causes` as rows of the history, with the first cause that holds.

    A protocol counts as changed when a version that judged, then or now, was not in both runs with
    one text: a session that a correction moves into another version's time is a correction.
    """
    warehouse.db.execute(
        f"""
        INSERT INTO ops.verdict_changes BY NAME
        WITH same AS (
            SELECT protocol, protocol_version FROM marts.protocols_before
            JOIN marts.protocols USING (protocol, protocol_version, sha256)
        ), before AS (
            SELECT as_of, keel_version FROM ops.runs
            WHERE run_id = (SELECT any_value(run_id) FROM ops.judged_batches)
        ), caused AS (
            SELECT c.*, k.late_hours, k.charted, b.keel_version, CASE
                WHEN c.status_before = c.status_after THEN 'waiver'
                WHEN (protocol, protocol_version_before) NOT IN (FROM same)
                    OR (protocol, coalesce(protocol_version_after, protocol_version_before))
                    NOT IN (FROM same) THEN 'protocol_change'
                WHEN k.corrected THEN 'correction'
                WHEN c.status_after IS NULL AND $as_of >= b.as_of THEN 'correction'
                WHEN k.arrived THEN 'late_data'
                WHEN b.keel_version <> $keel AND c.status_before <> 'pending' THEN 'keel'
                ELSE 'time_passed' END AS cause
            FROM changed c LEFT JOIN causes k USING (change_no) LEFT JOIN before b ON true
        ), told AS (
            SELECT c.*, f.reason, {FINDING_ID} AS finding_id,
                {_CLOSED} AND cause IN ('correction', 'late_data') AS _closed
            FROM caused c LEFT JOIN marts.findings f
            USING (clinic_id, subject_kind, subject_id, protocol, rule_id)
        )
        SELECT substr(sha256(concat_ws(chr(31), $run_id, finding_id)), 1, 20) AS change_id,
            $run_id AS run_id, $at::TIMESTAMPTZ AS changed_at, $as_of::TIMESTAMPTZ AS as_of,
            * EXCLUDE (change_no, session_id, patient_id, started_at, charted, keel_version,
                _closed) REPLACE (
                CASE cause WHEN 'keel' THEN 'protocol_change' ELSE cause END AS cause,
                CASE WHEN _closed THEN late_hours END AS late_hours
            ),
            CASE WHEN cause = 'keel'
                THEN format('judged by Keel {{}}, before by Keel {{}}', $keel, keel_version)
                WHEN _closed AND late_hours >= 0 THEN {_LATE}
            END AS note
        FROM told ORDER BY clinic_id, subject_kind, subject_id, protocol, rule_id
        """,
        {"run_id": run.run_id, "at": run.started_at, "as_of": run.as_of, "keel": __version__},
    )
