-- One row is one session that has a page in the report: because a critical or major rule was not met
-- (`breached`; the newest that nobody waived first, up to a number), or by lot (`sampled`).
CREATE TABLE IF NOT EXISTS marts.session_pages (
    clinic_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    patient_id VARCHAR NOT NULL,
    why VARCHAR NOT NULL,
    program VARCHAR,
    status VARCHAR NOT NULL,
    started_at TIMESTAMPTZ
);
