-- One row is one run of the nightly; `state` is started, published, failed or interrupted.
CREATE TABLE IF NOT EXISTS ops.runs (
    run_id VARCHAR NOT NULL,
    seq INTEGER NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    as_of TIMESTAMPTZ NOT NULL,
    state VARCHAR NOT NULL,
    keel_version VARCHAR NOT NULL
);
