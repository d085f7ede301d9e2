-- One row is one row of a delivery that was not fit to be judged; `row_number` counts data rows
-- from 1 (in a foreign export: `source_row` of `source_file`); `reasons` are "column: code".
-- `extracted_at` orders it among the versions of its key, `delivered_at` is its file's extract
-- time; `released_run` is set when a later delivery mends it.
CREATE TABLE IF NOT EXISTS ops.quarantine (
    batch_no INTEGER NOT NULL,
    batch_id VARCHAR NOT NULL,
    clinic_id VARCHAR,
    feed VARCHAR NOT NULL,
    row_number BIGINT NOT NULL,
    source_file VARCHAR,
    source_row BIGINT,
    key_id VARCHAR,
    session_id VARCHAR,
    patient_id VARCHAR,
    reasons VARCHAR[] NOT NULL,
    extracted_at TIMESTAMPTZ,
    delivered_at TIMESTAMPTZ,
    quarantined_run VARCHAR NOT NULL,
    released_run VARCHAR
);
