-- One row is one column of one loaded batch: how many good rows it has and how many are filled.
CREATE TABLE IF NOT EXISTS ops.column_counts (
    batch_no INTEGER NOT NULL,
    column_name VARCHAR NOT NULL,
    rows BIGINT NOT NULL,
    filled BIGINT NOT NULL
);
