-- One row is a clinic's data cut-off of a feed at the latest judging.
CREATE TABLE IF NOT EXISTS ops.judged_cutoffs (
    clinic_id VARCHAR NOT NULL,
    feed VARCHAR NOT NULL,
    cutoff TIMESTAMPTZ NOT NULL
);
