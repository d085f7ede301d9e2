-- One row is one judged row (session, dispense or outcome) under one protocol version. Sessions
-- have the number and the first start of their course under the protocol.
CREATE TABLE IF NOT EXISTS marts.subjects (
    subject_no UINTEGER NOT NULL,
    clinic_id VARCHAR NOT NULL,
    subject_kind VARCHAR NOT NULL,
    subject_id VARCHAR NOT NULL,
    session_id VARCHAR,
    patient_id VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    protocol_version VARCHAR NOT NULL,
    program VARCHAR,
    started_at TIMESTAMPTZ,
    local_date DATE NOT NULL,
    course INTEGER,
    course_started_at TIMESTAMPTZ,
    status VARCHAR NOT NULL,
    worst_severity VARCHAR,
    met INTEGER NOT NULL,
    not_met INTEGER NOT NULL,
    not_evaluable INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    excluded INTEGER NOT NULL
);
