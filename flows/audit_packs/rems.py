"""The pack for the esketamine REMS: forms, enrolment, certification, monitoring times."""

from __future__ import annotations

from flows.audit_packs.bundle import Bundle
from flows.audit_packs.scope import PSEUDONYM, Scope, Table, day, local, read
from flows.metrics.due import FORM_DAYS
from flows.warehouse import Warehouse

# Sessions of the period, by the local day of their first dose. A device is one dose, or several in
# one row: then its end is that of the last one.
_DOSED = f"""
WITH given AS (
    SELECT clinic_id, session_id, min(started_at) AS first_device,
        CASE WHEN NOT bool_or(devices > 1 AND ended_at IS NULL)
            THEN max(coalesce(ended_at, started_at)) END AS last_device,
        sum(amount_mg)::DOUBLE AS dose_mg, sum(devices)::BIGINT AS devices
    FROM facts.doses
    WHERE clinic_id = $clinic AND drug = 'esketamine' AND started_at <= $as_of GROUP BY ALL),
all_dosed AS (
    SELECT s.*, first_device, last_device, dose_mg, devices, {day("first_device")} AS dosed_on,
        n.pseudonym AS patient
    FROM facts.sessions s JOIN given USING (clinic_id, session_id) {PSEUDONYM}),
dosed AS (SELECT * FROM all_dosed WHERE dosed_on BETWEEN $first AND $last)
"""
_FORMS = f"""
{_DOSED}, forms AS (
    SELECT *, dosed_on + {FORM_DAYS} AS due_on,
        CASE WHEN rems_form_sent_at <= $as_of THEN rems_form_sent_at END AS sent_at FROM dosed)
SELECT session_id, patient, program, {local("first_device", "first_device")}, due_on,
    {local("sent_at", "sent")}, date_diff('day', dosed_on, {day("sent_at")}) AS days_to_submit,
    CASE WHEN {day("sent_at")} <= due_on THEN 'in time' WHEN sent_at IS NOT NULL THEN 'late'
        ELSE replace(coalesce(d.status, 'not sent'), '_', ' ') END AS status,
    rems_form_minutes::DOUBLE AS minutes_on_form
FROM forms LEFT JOIN (SELECT session_id, status FROM marts.rems_forms_due
    WHERE clinic_id = $clinic) d USING (session_id)
ORDER BY forms.first_device, session_id
"""
_ENROLMENT = f"""
{_DOSED}, firsts AS (
    SELECT patient_id, min(dosed_on) AS first_dose_on FROM all_dosed GROUP BY ALL)
SELECT patient, first_dose_on, p.rems_enrolled_on AS enrolled_on,
    CASE WHEN p.rems_enrolled_on <= first_dose_on THEN 'before the first dose'
        WHEN p.rems_enrolled_on IS NULL THEN 'not charted' ELSE 'after the first dose'
        END AS enrolled,
    count(*) AS sessions_in_period
FROM dosed JOIN firsts USING (patient_id)
LEFT JOIN facts.patients p USING (clinic_id, patient_id)
GROUP BY ALL ORDER BY first_dose_on, patient
"""
_CERTIFICATION = f"""
{_DOSED}
SELECT c.clinic_id, c.name, c.rems_certified_on AS certified_on, c.rems_ended_on AS ended_on,
    count(session_id) AS sessions_in_period,
    count(session_id) FILTER (dosed_on >= c.rems_certified_on
        AND dosed_on <= coalesce(c.rems_ended_on, dosed_on)) AS while_certified
FROM facts.clinics c LEFT JOIN dosed USING (clinic_id) WHERE c.clinic_id = $clinic GROUP BY ALL
"""
_STAFF = f"""
{_DOSED}, at_work AS (
    SELECT session_id, dosed_on, prescriber_id AS staff_id FROM dosed
    UNION SELECT session_id, dosed_on, monitor_id FROM dosed)
SELECT staff_id, t.role, t.rems_trained_on AS trained_on, min(dosed_on) AS first_session_on,
    CASE WHEN t.rems_trained_on <= min(dosed_on) THEN 'before the first session'
        WHEN t.rems_trained_on IS NULL THEN 'not charted' ELSE 'after the first session'
        END AS trained,
    count(DISTINCT session_id) AS sessions_in_period
FROM at_work LEFT JOIN (SELECT * FROM facts.staff
    WHERE clinic_id = $clinic OR clinic_id IS NULL) t USING (staff_id)
WHERE staff_id IS NOT NULL GROUP BY staff_id, t.role, t.rems_trained_on ORDER BY staff_id
"""
_MONITORING = f"""
{_DOSED}, readings AS (
    SELECT v.session_id, count(*) AS readings, count(spo2_pct) AS with_oximetry
    FROM facts.vitals v JOIN dosed d USING (clinic_id, session_id)
    WHERE v.measured_at >= d.first_device AND v.measured_at <= $as_of GROUP BY ALL)
SELECT session_id, patient, dose_mg, devices, {local("first_device", "first_device")},
    {local("last_device", "last_device")}, {local("monitoring_ended_at", "monitoring_ended")},
    round(epoch(monitoring_ended_at - first_device) / 60, 1) AS minutes_from_first,
    round(epoch(monitoring_ended_at - last_device) / 60, 1) AS minutes_from_last,
    rems_form_minutes::DOUBLE AS minutes_on_form, {local("ready_at", "ready")},
    {local("discharged_at", "discharged")}, coalesce(readings, 0) AS readings,
    coalesce(with_oximetry, 0) AS with_oximetry, prescriber_id, monitor_id
FROM dosed LEFT JOIN readings USING (session_id) ORDER BY dosed.first_device, session_id
"""
_VERDICTS = f"""
{_DOSED}
SELECT u.subject_id AS session_id, u.protocol, u.protocol_version, r.rule_id, r.title, r.severity,
    v.status, v.waived, f.reason, r.citation
FROM marts.subjects u JOIN dosed ON u.subject_id = dosed.session_id
JOIN marts.verdicts v USING (subject_no) JOIN marts.rules r USING (rule_no)
LEFT JOIN marts.findings f ON f.clinic_id = u.clinic_id AND f.subject_kind = u.subject_kind
    AND f.subject_id = u.subject_id AND f.protocol = u.protocol AND f.rule_id = r.rule_id
WHERE u.clinic_id = $clinic AND u.subject_kind = 'session' AND r.tier = 'T1'
    AND v.status <> 'excluded'
ORDER BY dosed.first_device, u.subject_id, u.protocol, r.rule_id
"""


def rems_pack(warehouse: Warehouse, scope: Scope) -> Bundle:
    """Sessions with a dose of esketamine in the period; patients are pseudonyms."""

    def table(name: str, title: str, says: str, select: str) -> Table:
        return read(warehouse, scope, name, title, says, select)

    return Bundle(
        kind="pack rems",
        title="REMS pack: esketamine",
        scope=scope,
        notes=[
            f"The monitoring form is due by the end of the local day {FORM_DAYS} days after the "
            "session's first dose.",
            "The form asks for the minutes from the first device to the end of monitoring; the "
            "label's two hours run from the last one. Both are given; whether they suffice is in "
            "the verdicts.",
            "First doses are those at this clinic; treatment elsewhere is not known here.",
        ],
        tables=[
            table("forms", "Monitoring forms", "One session with a dose, and its form.", _FORMS),
            table("enrolment", "Enrolment", "One patient dosed in the period.", _ENROLMENT),
            table("certification", "Certification", "The clinic, and its sessions while it was "
                  "certified.", _CERTIFICATION),
            table("training", "Training", "One prescriber or monitor of those sessions.", _STAFF),
            table("monitoring", "Monitoring times", "One session with a dose. Readings are those "
                  "from the first device on.", _MONITORING),
            table("verdicts", "Verdicts", "One rule of law, label or REMS (tier T1) on one of "
                  "those sessions.", _VERDICTS),
        ],
    )  # fmt: skip
