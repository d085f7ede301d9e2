-- One row is one verdict that a later run changed: its status, or only its waived mark. A null
-- before: the rule is new to a subject judged before; a null after: it is judged no more. `reason`
-- is that of the finding it became; `late_hours` (event to charting, else to delivery) and `note`
-- say how late the rows were that closed a finding. `finding_id` is that of marts.findings.
CREATE TABLE IF NOT EXISTS ops.verdict_changes (
    change_id VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    as_of TIMESTAMPTZ NOT NULL,
    finding_id VARCHAR NOT NULL,
    clinic_id VARCHAR NOT NULL,
    subject_kind VARCHAR NOT NULL,
    subject_id VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    protocol_version_before VARCHAR NOT NULL,
    protocol_version_after VARCHAR,
    rule_id VARCHAR NOT NULL,
    status_before VARCHAR,
    status_after VARCHAR,
    waived_before BOOLEAN,
    waived_after BOOLEAN,
    cause VARCHAR NOT NULL,
    reason VARCHAR,
    late_hours DOUBLE,
    note VARCHAR
);
