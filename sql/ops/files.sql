-- One row is one file of the landing folder as last seen, so that it is not read again unchanged.
CREATE TABLE IF NOT EXISTS ops.files (
    path VARCHAR NOT NULL,
    bytes BIGINT NOT NULL,
    modified_ns BIGINT NOT NULL,
    batch_no INTEGER NOT NULL
);
