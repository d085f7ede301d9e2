-- One row is one sentence of a run about something it left aside: a file that is none of ours.
CREATE TABLE IF NOT EXISTS ops.notes (
    run_id VARCHAR NOT NULL,
    note VARCHAR NOT NULL
);
