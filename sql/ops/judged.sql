-- One row, of the latest judging: its run, its instant, and a digest of what decides over every
-- verdict (protocols, contracts, programmes, Keel's version).
CREATE TABLE IF NOT EXISTS ops.judged (
    run_id VARCHAR NOT NULL,
    as_of TIMESTAMPTZ NOT NULL,
    circumstances VARCHAR NOT NULL
);
