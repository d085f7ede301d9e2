-- One row, of the latest judging: its run, its instant, a digest of what decides over every verdict
-- (protocols, contracts, programmes, Keel's version), and how many subjects it judged or left as
-- they were.
CREATE TABLE IF NOT EXISTS ops.judged (
    run_id VARCHAR NOT NULL,
    as_of TIMESTAMPTZ NOT NULL,
    circumstances VARCHAR NOT NULL,
    judged BIGINT NOT NULL,
    skipped BIGINT NOT NULL
);
