-- One row is one thing (a rate, a time) that the cost of sessions of one clinic, programme and local
-- month lacks, and of how many.
CREATE TABLE IF NOT EXISTS marts.cost_missing (
    clinic_id VARCHAR NOT NULL,
    program VARCHAR NOT NULL,
    month DATE,
    missing VARCHAR NOT NULL,
    sessions BIGINT NOT NULL,
    first_on DATE,
    last_on DATE
);
