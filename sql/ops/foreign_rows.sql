-- One row is one file of a foreign export in one run: rows = used + skipped + quarantined.
CREATE TABLE IF NOT EXISTS ops.foreign_rows (
    run_id VARCHAR NOT NULL,
    system VARCHAR NOT NULL,
    clinic_id VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    file_name VARCHAR NOT NULL,
    rows BIGINT NOT NULL,
    used BIGINT NOT NULL,
    skipped MAP(VARCHAR, BIGINT) NOT NULL,
    quarantined BIGINT NOT NULL
);
