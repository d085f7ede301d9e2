-- One row is one file of the landing folder as last seen, and the batch that holds its bytes: a file
-- of the same size and time of change is not read again.
CREATE TABLE IF NOT EXISTS ops.files (
    path VARCHAR NOT NULL,
    bytes BIGINT NOT NULL,
    modified_ns BIGINT NOT NULL,
    batch_no INTEGER NOT NULL
);
