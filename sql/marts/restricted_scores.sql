-- As risk_scores, of members of staff and prescribers: published in restricted/ alone.
CREATE TABLE IF NOT EXISTS marts.restricted_scores (
    clinic_id VARCHAR NOT NULL,
    subject_kind VARCHAR NOT NULL,
    subject_id VARCHAR NOT NULL,
    score BIGINT NOT NULL,
    level VARCHAR NOT NULL,
    signals VARCHAR[] NOT NULL
);
