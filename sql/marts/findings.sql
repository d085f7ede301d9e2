-- One row is one verdict that is neither met nor excluded, with a line that says why.
CREATE TABLE IF NOT EXISTS marts.findings (
    finding_id VARCHAR NOT NULL,
    clinic_id VARCHAR NOT NULL,
    subject_kind VARCHAR NOT NULL,
    subject_id VARCHAR NOT NULL,
    session_id VARCHAR,
    patient_id VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    protocol_version VARCHAR NOT NULL,
    rule_id VARCHAR NOT NULL,
    severity VARCHAR NOT NULL,
    tier VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    observed DOUBLE,
    reason VARCHAR NOT NULL,
    started_at TIMESTAMPTZ,
    due_at TIMESTAMPTZ,
    waived BOOLEAN NOT NULL,
    first_found_run VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL
);
