-- One row is one delivery: one file and feed. `state` is landed (kept as raw, not loaded yet),
-- accepted, partial, blocked, duplicate or withdrawn. `path` is relative to the landing folder.
-- `encoding` is the declared one of a text file.
-- `extract_source` says where its extract time is from: rows (`extract_at` is the latest of them),
-- name (`name_day`, the end of that local day) or none; `delivered_at` is that instant, else when
-- it was first seen. rows = loaded + unchanged + quarantined unless it is blocked or withdrawn.
-- `gate` is what blocked a kept batch: clinic (unknown), share (of unfit rows) or volume.
-- `judged_under` is a digest of what decides over a kept batch besides its rows (contract, Keel,
-- share, zones): a blocked one is tried again when it changes; null = its text could not be kept.
CREATE TABLE IF NOT EXISTS ops.batches (
    batch_id VARCHAR NOT NULL,
    batch_no INTEGER NOT NULL,
    clinic_id VARCHAR NOT NULL,
    feed VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    file_sha256 VARCHAR NOT NULL,
    bytes BIGINT NOT NULL,
    encoding VARCHAR,
    first_seen_run VARCHAR NOT NULL,
    first_seen_at TIMESTAMPTZ NOT NULL,
    loaded_run VARCHAR,
    mode VARCHAR,
    name_day DATE,
    extract_source VARCHAR,
    extract_at TIMESTAMPTZ,
    delivered_at TIMESTAMPTZ,
    state VARCHAR NOT NULL,
    gate VARCHAR,
    reason VARCHAR,
    unknown_columns VARCHAR[] NOT NULL,
    rows BIGINT,
    loaded BIGINT,
    unchanged BIGINT,
    quarantined BIGINT,
    contract_version VARCHAR NOT NULL,
    contract_sha256 VARCHAR NOT NULL,
    keel_version VARCHAR NOT NULL,
    judged_under VARCHAR,
    source VARCHAR,
    derived MAP(VARCHAR, VARCHAR)
);
