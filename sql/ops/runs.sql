-- One row is one run of the nightly, or of a `keel batch` command that loads a feed anew; `state` is
-- started, published, loaded (which the next nightly judges), failed or interrupted.
CREATE TABLE IF NOT EXISTS ops.runs (
    run_id VARCHAR NOT NULL,
    seq INTEGER NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    as_of TIMESTAMPTZ NOT NULL,
    state VARCHAR NOT NULL,
    keel_version VARCHAR NOT NULL
);
