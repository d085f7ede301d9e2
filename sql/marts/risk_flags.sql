-- One row is one signal of protocols/risk.yaml at one patient, lot or clinic that reached its
-- threshold: a reason to look, not a verdict. observed is the most that was seen, in the signal's own
-- unit; row_ids are the rows of row_feed (of this clinic) that it rests on, from first_at to last_at;
-- peers says whom it was compared with, null where with nobody.
CREATE TABLE IF NOT EXISTS marts.risk_flags (
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
