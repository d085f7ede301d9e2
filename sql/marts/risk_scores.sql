-- One row is one patient, lot or clinic with a flag: its score is the sum of its flags' points,
-- signals are their names.
CREATE TABLE IF NOT EXISTS marts.risk_scores (
    clinic_id VARCHAR NOT NULL,
    subject_kind VARCHAR NOT NULL,
    subject_id VARCHAR NOT NULL,
    score BIGINT NOT NULL,
    level VARCHAR NOT NULL,
    signals VARCHAR[] NOT NULL
);
