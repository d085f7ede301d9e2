-- One row is the result of one expectation over the rows that one run brought of one feed.
CREATE TABLE IF NOT EXISTS ops.check_results (
    run_id VARCHAR NOT NULL,
    feed VARCHAR NOT NULL,
    expectation_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    column_name VARCHAR NOT NULL,
    severity VARCHAR NOT NULL,
    success BOOLEAN NOT NULL,
    evaluated BIGINT NOT NULL,
    unexpected BIGINT NOT NULL
);
