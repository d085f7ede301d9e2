"""The pack for a survey: what was found, on what evidence, under which protocols."""

from __future__ import annotations

from dataclasses import replace

from flows.audit import first_broken
from flows.audit_packs.bundle import Bundle
from flows.audit_packs.scope import Scope, Table, day, local, read
from flows.intervals import wilson
from flows.raw import NETWORK
from flows.warehouse import Warehouse

_IN_PERIOD = "u.clinic_id = $clinic AND u.local_date BETWEEN $first AND $last"
_SUMMARY = f"""
SELECT u.subject_kind, u.protocol, u.protocol_version, count(*) AS judged,
    count(*) FILTER (status = 'compliant') AS compliant,
    count(*) FILTER (status = 'minor_misses') AS minor_misses,
    count(*) FILTER (status = 'non_compliant') AS non_compliant,
    count(*) FILTER (status = 'incomplete') AS incomplete,
    count(*) FILTER (status = 'pending') AS pending
FROM marts.subjects u WHERE {_IN_PERIOD} GROUP BY ALL ORDER BY ALL
"""
_RULES = f"""
SELECT r.protocol, r.protocol_version, r.rule_id, r.title, r.severity, r.tier, r.citation, r.target,
    count(*) FILTER (v.status = 'met') AS met,
    count(*) FILTER (v.status IN ('met', 'not_met')) AS met_or_not_met,
    count(*) FILTER (v.status = 'not_met') AS not_met,
    count(*) FILTER (v.status = 'not_met' AND v.waived) AS waived,
    count(*) FILTER (v.status = 'not_evaluable') AS not_evaluable,
    count(*) FILTER (v.status = 'pending') AS pending,
    count(*) FILTER (v.status = 'excluded') AS excluded
FROM marts.subjects u JOIN marts.verdicts v USING (subject_no) JOIN marts.rules r USING (rule_no)
WHERE {_IN_PERIOD} GROUP BY ALL ORDER BY r.protocol, r.protocol_version, r.rule_id
"""
# Where the judged row itself came from: the delivery, and its row there.
_ROWS = " UNION ALL ".join(
    f"SELECT '{kind}' AS subject_kind, {kind}_id AS subject_id, _last_batch, _last_row "
    f"FROM facts.{kind}s WHERE clinic_id = $clinic"
    for kind in ("session", "dispense", "outcome")
)
_FINDINGS = f"""
WITH judged_rows AS ({_ROWS})
SELECT f.finding_id, f.status, f.severity, f.tier, f.subject_kind, f.subject_id,
    n.pseudonym AS patient, {local("f.started_at", "started")}, f.protocol, f.protocol_version,
    r.rule_id, r.title, r.asks, f.reason, f.observed, f.waived, r.citation, f.first_found_run,
    b.path AS delivered_in, j._last_row AS delivered_as_row
FROM marts.findings f JOIN marts.subjects u USING (clinic_id, subject_kind, subject_id, protocol)
JOIN marts.rules r ON r.protocol = f.protocol AND r.protocol_version = f.protocol_version
    AND r.rule_id = f.rule_id
LEFT JOIN ops.pseudonyms n ON n.clinic_id = f.clinic_id AND n.patient_id = f.patient_id
LEFT JOIN judged_rows j ON j.subject_kind = f.subject_kind AND j.subject_id = f.subject_id
LEFT JOIN ops.batches b ON b.batch_no = j._last_batch
WHERE {_IN_PERIOD}
ORDER BY CASE f.status WHEN 'not_met' THEN 0 WHEN 'pending' THEN 1 ELSE 2 END,
    CASE f.severity WHEN 'critical' THEN 0 WHEN 'major' THEN 1 ELSE 2 END, f.waived, f.started_at,
    f.finding_id
"""
_PROTOCOLS = f"""
SELECT protocol, protocol_version, p.title, p.effective_from, p.effective_to, p.approved_by,
    p.sha256, text
FROM marts.protocols p SEMI JOIN (SELECT DISTINCT protocol, protocol_version
    FROM marts.subjects u WHERE {_IN_PERIOD}) USING (protocol, protocol_version) ORDER BY ALL
"""
_OURS = f"clinic_id IN ($clinic, '{NETWORK}')"
_DELIVERIES = f"""
SELECT path, feed, state, rows, loaded, unchanged, quarantined, reason,
    {local("first_seen_at", "first_seen")}, {local("delivered_at", "extracted")}, file_sha256
FROM ops.batches WHERE {_OURS} AND {day("delivered_at")} >= $first
ORDER BY batch_no
"""
_QUARANTINE = """
SELECT feed, reason, count(*) AS rows, count(*) FILTER (released_run IS NULL) AS still_there
FROM (SELECT feed, unnest(reasons) AS reason, released_run FROM ops.quarantine
    WHERE clinic_id = $clinic) GROUP BY ALL ORDER BY ALL
"""
_WAIVERS = """
SELECT waiver_id, clinic_id, subject_id, rule_id, reason, approved_by, approved_on, expires_on
FROM facts.waivers WHERE (clinic_id = $clinic OR clinic_id IS NULL) AND approved_on <= $last
    AND coalesce(expires_on, $first) >= $first ORDER BY approved_on, waiver_id
"""
_AUDIT_LOG = """
SELECT entry_no, strftime(timezone('UTC', acted_at), '%Y-%m-%dT%H:%M:%S.%f+00:00') AS acted_at,
    actor, act, subject, outcome, previous_hash, entry_hash
FROM ops.audit_log ORDER BY entry_no
"""


def survey_pack(warehouse: Warehouse, scope: Scope) -> Bundle:
    """What was judged in the period, by local date; patients are pseudonyms."""

    def table(name: str, title: str, says: str, select: str) -> Table:
        return read(warehouse, scope, name, title, says, select)

    protocols, texts = _without_texts(
        table("protocols", "Protocols as they stood", "One protocol version that judged in the "
              "period; its file's SHA-256 is the one given.", _PROTOCOLS)
    )  # fmt: skip
    broken = first_broken(warehouse.db)
    return Bundle(
        kind="pack survey",
        title="Survey pack",
        scope=scope,
        notes=[
            "Verdicts are those of the run named above, by the local date of the session, dispense "
            "or outcome. Rates are met / (met + not met), with 95 % Wilson limits.",
            "The audit log is unbroken." if broken is None else
            f"The audit log is broken: entry {broken} is not as it was written.",
        ],
        tables=[
            table("summary", "Summary", "One protocol version and what became of the subjects that "
                  "it judged.", _SUMMARY),
            _with_rates(table("rules", "Rules", "One rule and its rate in the period.", _RULES)),
            table("findings", "Findings with evidence", "One verdict that is neither met nor "
                  "excluded: what the rule asks, what was found, who says so, and the row of the "
                  "delivery that was judged.", _FINDINGS),
            protocols,
            table("deliveries", "Deliveries", "One file that was extracted from the period's first "
                  "day on, of the clinic or of the whole network.", _DELIVERIES),
            table("quarantine", "Rows in quarantine", "One feed and reason: rows of the clinic "
                  "that were not fit to be judged.", _QUARANTINE),
            table("waivers", "Waivers", "One waiver that held on a day of the period.", _WAIVERS),
            table("audit_log", "Audit log", "One act that someone answers for, of the whole "
                  "network.", _AUDIT_LOG),
        ],
        texts=texts,
    )  # fmt: skip


def _with_rates(rules: Table) -> Table:
    """The rules' table with rate and limits, empty for a rule of nothing."""
    met, of = rules.header.index("met"), rules.header.index("met_or_not_met")
    rows = [
        (*row, row[met] / row[of], *wilson(row[met], row[of])) if row[of]
        else (*row, None, None, None)
        for row in rules.rows
    ]  # fmt: skip
    return replace(rules, header=(*rules.header, "rate", "rate_low", "rate_high"), rows=rows)


def _without_texts(protocols: Table) -> tuple[Table, dict[str, str]]:
    """The protocols' table with the name of each one's file in place of its text."""
    named = [(*row[:-1], f"protocols/{row[0]}@{row[1]}.yaml") for row in protocols.rows]
    texts = {name[-1]: row[-1] for name, row in zip(named, protocols.rows, strict=True)}
    return replace(protocols, header=(*protocols.header[:-1], "file"), rows=named), texts
