-- As risk_flags, of members of staff and prescribers: published in restricted/ alone.
CREATE TABLE IF NOT EXISTS marts.restricted_flags (
    flag_id VARCHAR NOT NULL,
    clinic_id VARCHAR NOT NULL,
    subject_kind VARCHAR NOT NULL,
    subject_id VARCHAR NOT NULL,
    signal VARCHAR NOT NULL,
    title VARCHAR NOT NULL,
    tier VARCHAR NOT NULL,
    points INTEGER NOT NULL,
    observed DOUBLE NOT NULL,
    threshold DOUBLE NOT NULL,
    peers VARCHAR,
    reason VARCHAR NOT NULL,
    first_at TIMESTAMPTZ NOT NULL,
    last_at TIMESTAMPTZ NOT NULL,
    row_feed VARCHAR NOT NULL,
    row_ids VARCHAR[] NOT NULL
);
