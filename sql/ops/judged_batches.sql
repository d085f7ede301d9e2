-- One row is one delivery that the marts rest on, with its counts then; `run_id` is the run that
-- judged. What differs from ops.batches has come, gone or been read anew since.
CREATE TABLE IF NOT EXISTS ops.judged_batches (
    run_id VARCHAR NOT NULL,
    batch_no INTEGER NOT NULL,
    loaded BIGINT,
    unchanged BIGINT,
    quarantined BIGINT
);
