-- One row is a clinic's local month that has verdicts; `changed_seq` numbers the run that last
-- judged any of its subjects: a publication since then can be linked to.
CREATE TABLE IF NOT EXISTS ops.partitions (
    clinic_id VARCHAR NOT NULL,
    month VARCHAR NOT NULL,
    changed_seq INTEGER NOT NULL
);
