-- One row is one delivery that has lost rows because its patients were purged, and how many: its
-- file had ops.batches.rows and these.
CREATE TABLE IF NOT EXISTS ops.purged_rows (
    batch_no INTEGER NOT NULL,
    purged BIGINT NOT NULL
);
